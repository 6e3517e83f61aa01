//! How machines are reached.

use super::source::Source;

const NAME: &str = "DEVPOCKET_GUEST_SSH";

/// The way to the SSH port of a machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GuestSsh {
    /// The network as it is, port 22.
    Direct,
    /// Machines of a simulator, whose control plane is here.
    Simulated(String),
    /// Operating systems of machines are not looked at: ready is what Contabo calls running.
    Off,
}

/// Reads it. Machines of a simulated account are nowhere unless its control plane says where.
pub(super) fn guest_ssh(source: &mut Source, simulated: bool) -> GuestSsh {
    let Some(value) = source.value(NAME) else {
        return if simulated { GuestSsh::Off } else { GuestSsh::Direct };
    };
    match value.text.as_str() {
        "direct" => GuestSsh::Direct,
        "off" => GuestSsh::Off,
        url if url.starts_with("http://") => GuestSsh::Simulated(url.to_owned()),
        _ => {
            let expected =
                "direct, off, or the control plane of a simulator: http://127.0.0.1:8002";
            source.invalid(NAME, &value, "is no way to reach machines", expected);
            GuestSsh::Off
        }
    }
}
