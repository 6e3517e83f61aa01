//! The names of the operations, as faults, counters and the journal use them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Each operation once: its name, how it is written, and whether it `changes` the account or only
/// `reads` it. The token endpoint changes nothing.
macro_rules! operations {
    ($($name:ident $text:literal $kind:ident;)*) => {
        /// One modelled operation; written in kebab case (`create-instance`).
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub enum OperationName {
            $($name,)*
        }

        impl OperationName {
            pub const ALL: &'static [OperationName] = &[$(OperationName::$name,)*];

            pub fn as_str(self) -> &'static str {
                match self {
                    $(OperationName::$name => $text,)*
                }
            }

            /// Whether the operation changes the account. The token endpoint does not.
            pub fn is_mutation(self) -> bool {
                match self {
                    $(OperationName::$name => operations!(@$kind),)*
                }
            }
        }
    };
    (@reads) => { false };
    (@changes) => { true };
}

operations! {
    Grant "grant" reads;
    ListInstances "list-instances" reads;
    GetInstance "get-instance" reads;
    CreateInstance "create-instance" changes;
    PatchInstance "patch-instance" changes;
    ReinstallInstance "reinstall-instance" changes;
    CancelInstance "cancel-instance" changes;
    UpgradeInstance "upgrade-instance" changes;
    Start "start" changes;
    Stop "stop" changes;
    Restart "restart" changes;
    Shutdown "shutdown" changes;
    Rescue "rescue" changes;
    ResetPassword "reset-password" changes;
    ListInstanceAudits "list-instance-audits" reads;
    ListActionAudits "list-action-audits" reads;
    ListSnapshots "list-snapshots" reads;
    GetSnapshot "get-snapshot" reads;
    CreateSnapshot "create-snapshot" changes;
    UpdateSnapshot "update-snapshot" changes;
    DeleteSnapshot "delete-snapshot" changes;
    RollbackSnapshot "rollback-snapshot" changes;
    ListSnapshotAudits "list-snapshot-audits" reads;
    ListImages "list-images" reads;
    GetImage "get-image" reads;
    CreateImage "create-image" changes;
    UpdateImage "update-image" changes;
    DeleteImage "delete-image" changes;
    GetImageStats "get-image-stats" reads;
    ListImageAudits "list-image-audits" reads;
    ListSecrets "list-secrets" reads;
    GetSecret "get-secret" reads;
    CreateSecret "create-secret" changes;
    UpdateSecret "update-secret" changes;
    DeleteSecret "delete-secret" changes;
    ListSecretAudits "list-secret-audits" reads;
    ListTags "list-tags" reads;
    GetTag "get-tag" reads;
    CreateTag "create-tag" changes;
    UpdateTag "update-tag" changes;
    DeleteTag "delete-tag" changes;
    ListTagAudits "list-tag-audits" reads;
    ListAssignments "list-assignments" reads;
    GetAssignment "get-assignment" reads;
    CreateAssignment "create-assignment" changes;
    DeleteAssignment "delete-assignment" changes;
    ListAssignmentAudits "list-assignment-audits" reads;
    ListNetworks "list-networks" reads;
    GetNetwork "get-network" reads;
    CreateNetwork "create-network" changes;
    UpdateNetwork "update-network" changes;
    DeleteNetwork "delete-network" changes;
    JoinNetwork "join-network" changes;
    LeaveNetwork "leave-network" changes;
    ListNetworkAudits "list-network-audits" reads;
    ListDataCenters "list-data-centers" reads;
    ListOther "list-other" reads;
}

impl fmt::Display for OperationName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for OperationName {
    type Err = String;
    fn from_str(text: &str) -> Result<OperationName, String> {
        let all = OperationName::ALL.iter().copied();
        all.clone().find(|name| name.as_str() == text).ok_or_else(|| {
            let all: Vec<&str> = all.map(OperationName::as_str).collect();
            format!("no operation is called {text:?}; there are {}", all.join(", "))
        })
    }
}

impl TryFrom<String> for OperationName {
    type Error = String;
    fn try_from(text: String) -> Result<OperationName, String> {
        text.parse()
    }
}

impl From<OperationName> for String {
    fn from(name: OperationName) -> String {
        name.as_str().to_owned()
    }
}
