//! What somebody meant who wrote a size that is not sold here.

use jiff::civil::Date;

use super::{Catalogue, Size};

/// A name is taken for a typing mistake of another up to this many edits.
const MAX_EDITS: usize = 2;

/// The size suggested in place of an unknown one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Nearest<'c> {
    pub size: &'c Size,
    pub why: Why,
}

/// Why a size was suggested; decides how sure the sentence about it may sound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// The same name in another spelling, or with a typing mistake: "did you mean".
    Similar,
    /// The asked-for numbers of cores and memory in another catalogue's words.
    SameNumbers,
    /// The smallest that falls short of the asked-for numbers in neither.
    LargeEnough,
    /// Nothing is near; this is the smallest there is.
    Smallest,
}

/// What a size of the older catalogue (`VPS-S-1vcpu-2gb`) stands for here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SeedSize<'c> {
    pub size: &'c Size,
    /// [`Why::SameNumbers`] or [`Why::LargeEnough`].
    pub why: Why,
    /// The cores the old name promised.
    pub vcpu: u32,
    /// The memory in GB the old name promised.
    pub ram_gb: u32,
}

impl Catalogue {
    /// The size to suggest for an unknown name, among those sold on `on`. There always is one, so
    /// that a message can end with something to type; [`Nearest::why`] says how near it is.
    #[must_use]
    pub fn nearest_size(&self, name: &str, on: Date) -> Nearest<'_> {
        if let Some(size) = self.similar_size(name).filter(|s| self.orderable(s, on)) {
            return Nearest { size, why: Why::Similar };
        }
        let numbers = seed_numbers(name).and_then(|(vcpu, ram)| self.by_numbers(vcpu, ram, on));
        match numbers {
            Some((size, Why::SameNumbers)) => Nearest { size, why: Why::SameNumbers },
            _ => Nearest { size: self.smallest_size(on), why: Why::Smallest },
        }
    }

    /// Maps a name of the older catalogue (any name that states cores and memory, such as
    /// `VPS-S-1vcpu-2gb`) to a size sold on `on`: one with the same numbers, else the smallest
    /// that falls short in neither. `None` for other names, and if nothing is large enough.
    #[must_use]
    pub fn map_seed_size(&self, name: &str, on: Date) -> Option<SeedSize<'_>> {
        let (vcpu, ram_gb) = seed_numbers(name)?;
        let (size, why) = self.by_numbers(vcpu, ram_gb, on)?;
        Some(SeedSize { size, why, vcpu, ram_gb })
    }

    /// The smallest general-purpose size sold on `on` (fewest cores, then least memory, then
    /// first in the catalogue); the first of the catalogue if none is sold.
    #[must_use]
    pub fn smallest_size(&self, on: Date) -> &Size {
        self.by_numbers(0, 0, on).map_or(&self.sizes()[0], |(size, _)| size)
    }

    /// The size whose name or product id is the same but for spelling (`VPS10NVMe`,
    /// `nvme-vps-10`), or within two edits. Digits are never counted as typing mistakes:
    /// `vps-70-nvme` is no more like one size than like another.
    pub(super) fn similar_size(&self, name: &str) -> Option<&Size> {
        let asked = Spelling::of(name);
        let by = |same: &dyn Fn(&Spelling) -> bool| {
            self.sizes()
                .iter()
                .find(|s| same(&Spelling::of(&s.name)) || same(&Spelling::of(&s.product_id)))
        };
        by(&|s| s.joined == asked.joined).or_else(|| by(&|s| s.sorted == asked.sorted)).or_else(
            || {
                let edits = |s: &Size| strsim::osa_distance(&s.name, &name.to_lowercase());
                self.sizes()
                    .iter()
                    .filter(|s| Spelling::of(&s.name).digits == asked.digits)
                    .filter(|s| edits(s) <= MAX_EDITS)
                    .min_by_key(|s| edits(s))
            },
        )
    }

    fn by_numbers(&self, vcpu: u32, ram_gb: u32, on: Date) -> Option<(&Size, Why)> {
        let sold =
            || self.sizes().iter().filter(|s| s.family.general_purpose() && self.orderable(s, on));
        if let Some(size) = sold().find(|s| s.vcpu == vcpu && s.ram_gb == ram_gb) {
            return Some((size, Why::SameNumbers));
        }
        sold()
            .filter(|s| s.vcpu >= vcpu && s.ram_gb >= ram_gb)
            .min_by_key(|s| (s.vcpu, s.ram_gb))
            .map(|size| (size, Why::LargeEnough))
    }
}

/// A name taken apart into runs of letters and of digits, so that case, separators and order do
/// not matter.
struct Spelling {
    joined: String,
    sorted: Vec<String>,
    digits: Vec<String>,
}

impl Spelling {
    fn of(name: &str) -> Self {
        let mut runs: Vec<String> = Vec::new();
        let mut last = None;
        for c in name.chars().flat_map(char::to_lowercase) {
            let kind = match c {
                c if c.is_ascii_digit() => Some(true),
                c if c.is_alphanumeric() => Some(false),
                _ => None,
            };
            match (kind, runs.last_mut()) {
                (None, _) => {}
                (Some(_), Some(run)) if last == kind => run.push(c),
                (Some(_), _) => runs.push(c.to_string()),
            }
            last = kind;
        }
        let digit = |run: &&String| run.starts_with(|c: char| c.is_ascii_digit());
        let digits = runs.iter().filter(digit).cloned().collect();
        let joined = runs.concat();
        runs.sort();
        Self { joined, sorted: runs, digits }
    }
}

/// Cores and memory from a name that states both, such as `VPS-S-1vcpu-2gb`.
fn seed_numbers(name: &str) -> Option<(u32, u32)> {
    let lower = name.to_lowercase();
    let number = |unit: &[&str]| {
        lower.split(|c: char| !c.is_ascii_alphanumeric()).find_map(|word| {
            unit.iter().find_map(|unit| word.strip_suffix(unit)?.parse::<u32>().ok())
        })
    };
    Some((number(&["vcpu", "cpu"])?, number(&["gb"])?))
}
