//! The firewall's rules in a network of their own: what the kernel takes, and what comes through.

use std::process::Command;

use super::inputs;
use super::mirror::Mirror;
use super::sandbox::{Sandbox, is_possible};

/// Two network namespaces with a wire between them; servers in the first, which has the rules.
const TOPOLOGY: &str = r#"
set -eu
rules=$1
ip link set lo up
sleep 600 & far=$!
trap 'kill $far' EXIT
unshare -n sleep 600 & far_net=$!
trap 'kill $far $far_net' EXIT
until [ "$(readlink /proc/$far_net/ns/net)" != "$(readlink /proc/self/ns/net)" ]; do :; done
ip link add near type veth peer name far netns $far_net
ip addr add 198.18.0.1/24 dev near
ip link set near up
nsenter -t $far_net -n ip addr add 198.18.0.2/24 dev far
nsenter -t $far_net -n ip link set far up
python3 - <<'END' &
import socket, selectors
chosen = selectors.DefaultSelector()
for port in (22, 80, 5432, 8080):
    server = socket.create_server(("0.0.0.0", port))
    chosen.register(server, selectors.EVENT_READ)
open("/tmp/devpocket-listening", "w").close()
while True:
    for key, _ in chosen.select():
        key.fileobj.accept()[0].close()
END
servers=$!
trap 'kill $far $far_net $servers' EXIT
nft -f "$rules"
nft -f "$rules"
try() { # try WHERE PORT
  if $1 python3 -c "
import socket, sys
for again in range(50):
    try:
        socket.create_connection(('198.18.0.1', $2), timeout=1).close()
        sys.exit(0)
    except ConnectionRefusedError:
        import time; time.sleep(0.1)
    except OSError:
        sys.exit(1)
sys.exit(1)"; then echo "$3 $2 open"; else echo "$3 $2 shut"; fi
}
for port in 22 80 5432 8080; do try "" $port near; done
for port in 22 80 5432 8080; do try "nsenter -t $far_net -n" $port far; done
nft list table inet devpocket | grep -c 'ct status dnat drop'
"#;

#[test]
fn only_ssh_and_the_ports_of_the_template_are_reached_from_outside() {
    if !is_possible() {
        return;
    }
    let there = Command::new("nft").arg("--version").output().is_ok();
    assert!(there, "this test needs `nft`; to install it: apt-get install nftables");
    let mirror = Mirror::start();
    let mut input = inputs::plain();
    input.ports = vec![80];
    let sandbox = Sandbox::new(&mirror, &input);
    let (done, said) = sandbox.install();
    assert!(done, "{said}");
    let rules = sandbox.path("/etc/devpocket/firewall.nft");
    let output = Command::new("unshare")
        .args([
            "--net",
            "--pid",
            "--fork",
            "--kill-child",
            "--mount-proc",
            "bash",
            "-c",
            TOPOLOGY,
            "bash",
        ])
        .arg(&rules)
        .output()
        .expect("unshare runs");
    let text = String::from_utf8_lossy(&output.stdout);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(
        lines,
        [
            "near 22 open",
            "near 80 open",
            "near 5432 open",
            "near 8080 open",
            "far 22 open",
            "far 80 open",
            "far 5432 shut",
            "far 8080 shut",
            "1",
        ],
        "{}\n{}",
        String::from_utf8_lossy(&output.stderr),
        sandbox.text("/etc/devpocket/firewall.nft")
    );
}
