//! The names of the operations, as faults, counters and the journal use them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// One modelled operation; written in kebab case (`create-instance`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum OperationName {
    Grant,
    ListInstances,
    GetInstance,
    CreateInstance,
    PatchInstance,
    ReinstallInstance,
    CancelInstance,
    Start,
    Stop,
    Restart,
    Shutdown,
    Rescue,
    ResetPassword,
    ListImages,
    GetImage,
    ListInstanceAudits,
    ListActionAudits,
    ListTags,
    GetTag,
    CreateTag,
    UpdateTag,
    DeleteTag,
    ListTagAudits,
}

impl OperationName {
    pub const ALL: [OperationName; 23] = [
        OperationName::Grant,
        OperationName::ListInstances,
        OperationName::GetInstance,
        OperationName::CreateInstance,
        OperationName::PatchInstance,
        OperationName::ReinstallInstance,
        OperationName::CancelInstance,
        OperationName::Start,
        OperationName::Stop,
        OperationName::Restart,
        OperationName::Shutdown,
        OperationName::Rescue,
        OperationName::ResetPassword,
        OperationName::ListImages,
        OperationName::GetImage,
        OperationName::ListInstanceAudits,
        OperationName::ListActionAudits,
        OperationName::ListTags,
        OperationName::GetTag,
        OperationName::CreateTag,
        OperationName::UpdateTag,
        OperationName::DeleteTag,
        OperationName::ListTagAudits,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            OperationName::Grant => "grant",
            OperationName::ListInstances => "list-instances",
            OperationName::GetInstance => "get-instance",
            OperationName::CreateInstance => "create-instance",
            OperationName::PatchInstance => "patch-instance",
            OperationName::ReinstallInstance => "reinstall-instance",
            OperationName::CancelInstance => "cancel-instance",
            OperationName::Start => "start",
            OperationName::Stop => "stop",
            OperationName::Restart => "restart",
            OperationName::Shutdown => "shutdown",
            OperationName::Rescue => "rescue",
            OperationName::ResetPassword => "reset-password",
            OperationName::ListImages => "list-images",
            OperationName::GetImage => "get-image",
            OperationName::ListInstanceAudits => "list-instance-audits",
            OperationName::ListActionAudits => "list-action-audits",
            OperationName::ListTags => "list-tags",
            OperationName::GetTag => "get-tag",
            OperationName::CreateTag => "create-tag",
            OperationName::UpdateTag => "update-tag",
            OperationName::DeleteTag => "delete-tag",
            OperationName::ListTagAudits => "list-tag-audits",
        }
    }

    /// Whether the operation changes the account. The token endpoint does not.
    pub fn is_mutation(self) -> bool {
        use OperationName as N;
        matches!(
            self,
            N::CreateInstance
                | N::PatchInstance
                | N::ReinstallInstance
                | N::CancelInstance
                | N::Start
                | N::Stop
                | N::Restart
                | N::Shutdown
                | N::Rescue
                | N::ResetPassword
                | N::CreateTag
                | N::UpdateTag
                | N::DeleteTag
        )
    }
}

impl fmt::Display for OperationName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for OperationName {
    type Err = String;
    fn from_str(text: &str) -> Result<OperationName, String> {
        OperationName::ALL.into_iter().find(|name| name.as_str() == text).ok_or_else(|| {
            let all: Vec<&str> = OperationName::ALL.iter().map(|name| name.as_str()).collect();
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
