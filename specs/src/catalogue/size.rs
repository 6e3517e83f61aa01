//! What can be ordered: sizes, the line-ups they belong to, and the days they are sold on.

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

/// A product Contabo sells as a machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Size {
    /// What people write in `spec.size`, such as `vps-10-nvme`.
    pub name: String,
    /// Contabo's id of it, such as `V91`; what an order carries.
    pub product_id: String,
    /// The shop's name of it.
    pub label: String,
    /// The line-up it belongs to, a [`Lineup::name`].
    pub lineup: String,
    pub family: Family,
    /// Virtual cores.
    pub vcpu: u32,
    /// Memory in GiB.
    pub ram_gb: u32,
    /// Disk in GiB.
    pub disk_gb: u32,
    pub disk_type: DiskType,
    /// How many snapshots the machine may hold at once; 0 means the plan has none, and asking for
    /// one is refused by Contabo with 402.
    pub snapshot_slots: u32,
    /// First day it is sold, if it is known to have one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub orderable_from: Option<Date>,
    /// Last day it is sold, if it is known to have one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub orderable_until: Option<Date>,
}

impl Size {
    /// Memory as Contabo's API reports it (`ramMb`).
    #[must_use]
    pub fn ram_mb(&self) -> u64 {
        u64::from(self.ram_gb) * 1024
    }

    /// Disk as Contabo's API reports it (`diskMb`).
    #[must_use]
    pub fn disk_mb(&self) -> u64 {
        u64::from(self.disk_gb) * 1024
    }

    /// The numbers as a person reads them: `4 vCPU, 8 GB, 75 GB NVMe`.
    #[must_use]
    pub fn numbers(&self) -> String {
        format!(
            "{} vCPU, {} GB, {} GB {}",
            self.vcpu,
            self.ram_gb,
            self.disk_gb,
            self.disk_type.label()
        )
    }
}

/// Contabo's product families. An upgrade in place is possible only inside one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Family {
    /// 2025: Cloud VPS 10 to 60, with NVMe or with SSD.
    CloudVps,
    /// 2025: few cores, large disk, no snapshots.
    StorageVps,
    /// Dedicated cores, no snapshots.
    Vds,
    /// 2026: Cloud VPS 4 to 18 ("Core", SSD).
    CloudVpsCore,
    /// 2026: Cloud VPS Plus 4 to 18 ("Performance", NVMe).
    CloudVpsPlus,
}

impl Family {
    /// Whether a size of this family may be suggested to somebody who did not ask for the family:
    /// a storage machine (no snapshots) or a dedicated one (seven times the price) may not.
    #[must_use]
    pub fn general_purpose(self) -> bool {
        matches!(self, Self::CloudVps | Self::CloudVpsCore | Self::CloudVpsPlus)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum DiskType {
    #[serde(rename = "NVMe")]
    Nvme,
    #[serde(rename = "SSD")]
    Ssd,
}

impl DiskType {
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Nvme => "NVMe",
            Self::Ssd => "SSD",
        }
    }
}

/// A generation of sizes with the contract terms it is sold for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Lineup {
    pub name: String,
    /// Contract lengths in months that an order may carry.
    pub terms: Vec<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub orderable_from: Option<Date>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub orderable_until: Option<Date>,
}

/// A region an order can name. People choose a region, never a data centre.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Region {
    /// What `spec.region` and an order carry: `EU`, `US-central`, …
    pub slug: String,
    /// The shop's wording.
    pub name: String,
    /// Data-centre names seen in API replies; not complete, only to show.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub data_centers: Vec<String>,
}

/// A standard image. The id changes with every new build of the image, so an order resolves the
/// name in the account's own list; this one serves plans and the simulation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Image {
    pub name: String,
    pub id: String,
}

/// Whether `on` lies within the first and last day, both inclusive and both optional.
pub(super) fn within(from: Option<Date>, until: Option<Date>, on: Date) -> bool {
    from.is_none_or(|from| from <= on) && until.is_none_or(|until| on <= until)
}
