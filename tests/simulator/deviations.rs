//! Where the simulator does on purpose what the published document does not say, because the live
//! API was seen to do it. Everything else that is not as documented is a mistake.

use super::openapi::Violation;

/// A deliberate deviation of a reply.
pub struct Deviation {
    /// End of the field's place.
    pub place: &'static str,
    pub problem: &'static str,
    pub why: &'static str,
}

const fn deviation(place: &'static str, problem: &'static str, why: &'static str) -> Deviation {
    Deviation { place, problem, why }
}

const UNALLOCATED: &str = "null until there is hardware";

pub const DEVIATIONS: &[Deviation] = &[
    deviation("data[].cancelDate", "null", "null until the contract is cancelled, never absent"),
    deviation("data[].cancelDate", "pattern", "the document's pattern is no pattern: yyyy-mm-dd"),
    deviation("data[].name", "null", UNALLOCATED),
    deviation("data[].dataCenter", "null", UNALLOCATED),
    deviation("data[].regionName", "null", UNALLOCATED),
    deviation("data[].ipConfig", "null", UNALLOCATED),
    deviation("data[].macAddress", "null", UNALLOCATED),
    deviation("data[].ramMb", "null", UNALLOCATED),
    deviation("data[].cpuCores", "null", UNALLOCATED),
    deviation("data[].diskMb", "null", UNALLOCATED),
    deviation("data[].vHostId", "null", UNALLOCATED),
    deviation("data[].vHostNumber", "null", UNALLOCATED),
    deviation("data[].vHostName", "null", UNALLOCATED),
    deviation("data[].sshKeys", "missing", "absent until there is hardware"),
    deviation("data[].applicationId", "extra", "live instances have it, the document does not"),
    deviation("data[].traceId", "null", "null when the call had no x-trace-id"),
    deviation("data[].value", "missing", "a list of secrets shows no values"),
    deviation("data[].description", "length", "empty when none was given"),
    deviation("data[].instances[].ipConfig", "null", UNALLOCATED),
];

/// The deviation that allows a violation, if one does.
pub fn allowed(violation: &Violation) -> Option<usize> {
    DEVIATIONS.iter().position(|deviation| {
        violation.place == deviation.place && violation.problem == deviation.problem
    })
}
