//! User and variables of a machine that runs, over real SSH, with what people put into values.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use devpocket::access::seal::{Place, Sealer};
use devpocket_controllers::guest::{
    Configuration, Guest as _, GuestError, Password, Sealed, Target, Value,
};
use tokio::process::Command;

use super::contact::{Bridged, ready};
use super::world::{World, has, output};

/// A value as the store holds it.
fn sealed(key: &str, value: &[u8]) -> Sealed {
    let place = Place { namespace: "team-a", name: "db", key };
    let text = Sealer::new([7; 32]).seal(place, value).unwrap();
    Sealed { namespace: "team-a".into(), name: "db".into(), key: key.into(), text }
}

/// Nothing is declared.
fn nothing() -> Configuration {
    Configuration {
        shell: None,
        keys: Vec::new(),
        variables: Some(Default::default()),
        password: Password::Locked,
    }
}

struct Inside {
    it: Bridged,
    target: Target,
}

impl Inside {
    async fn new() -> Inside {
        let it = Bridged::new("bwrap").await;
        let key = it.identified().await;
        let target = it.target(&[&key]).await;
        Inside { it, target }
    }

    async fn run(&self, command: &str) -> String {
        let done = self.it.bridge.exec(&self.target, command, b"").await.unwrap();
        assert_eq!(done.code, Some(0), "{command}: {done:?}");
        String::from_utf8(done.stdout).unwrap()
    }

    async fn configure(&self, wanted: &Configuration) -> Result<(), GuestError> {
        self.it.bridge.configure(&self.target, wanted).await
    }

    async fn broken(&self, wanted: &Configuration) -> String {
        match self.configure(wanted).await {
            Err(GuestError::Broken(why)) => why,
            other => panic!("{other:?}"),
        }
    }
}

/// Whether a person's own key opens the machine.
async fn opens(world: &World) -> bool {
    let mut ssh = Command::new("ssh");
    let port = world.port().await.to_string();
    ssh.args(["-F", "none", "-p", &port, "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=no"]);
    ssh.args(["-o", "UserKnownHostsFile=/dev/null", "-o", "IdentitiesOnly=yes", "-i"]);
    ssh.arg(world.folder.path().join("person")).args(["dev@127.0.0.1", "true"]);
    output(&mut ssh).await.status.success()
}

/// What perl's `crypt`, which is the C library's, makes of a password with the salt of a hash.
async fn crypt(password: &str, hash: &str) -> String {
    let mut perl = Command::new("perl");
    perl.args(["-e", "print crypt($ARGV[0], $ARGV[1])", password, hash]);
    String::from_utf8(output(&mut perl).await.stdout).unwrap()
}

#[tokio::test]
async fn a_guest_is_made_as_declared_and_otherwise_again() {
    if !ready() || !has("ssh") {
        return;
    }
    let inside = Inside::new().await;
    let world = &inside.it.world;
    let person = world.folder.path().join("person");
    let mut made = Command::new("ssh-keygen");
    made.args(["-q", "-t", "ed25519", "-N", "", "-C", "ann@home", "-f"]).arg(&person);
    assert!(output(&mut made).await.status.success());
    inside.run("echo 'ssh-ed25519 AAAAmine me@home' >>~/.ssh/authorized_keys").await;
    let mut wanted = Configuration {
        shell: Some("/bin/sh".into()),
        keys: vec![std::fs::read_to_string(person.with_extension("pub")).unwrap()],
        ..nothing()
    };
    assert!(!opens(world).await);
    for _ in 0..2 {
        inside.configure(&wanted).await.unwrap();
    }
    assert!(opens(world).await, "the declared key opens it");
    let keys = inside.run("cat ~/.ssh/authorized_keys").await;
    assert_eq!(keys.matches(" devpocket\n").count(), 1, "{keys}");
    assert_eq!(inside.run("stat -c %a ~/.ssh/authorized_keys").await, "600\n");
    assert!(inside.run("cat /etc/passwd").await.contains("/home/dev:/bin/sh\n"));

    // What is not declared any more is gone; what the user put there stays.
    wanted.keys.clear();
    inside.configure(&wanted).await.unwrap();
    assert!(!opens(world).await, "a key that was removed opens it");
    assert!(inside.run("cat ~/.ssh/authorized_keys").await.contains("AAAAmine me@home"));

    // One part that cannot be done keeps none of the others back, and is named.
    wanted.shell = Some("/usr/bin/nosuchshell".into());
    wanted.variables = Some([("A".to_owned(), Value::Plain("1".into()))].into());
    let why = inside.broken(&wanted).await;
    assert!(why.contains("/usr/bin/nosuchshell cannot become the shell"), "{why}");
    assert_eq!(inside.run("bash -lc 'echo $A'").await, "1\n");
    assert!(inside.run("cat /etc/passwd").await.contains("/home/dev:/bin/sh\n"));
}

#[tokio::test]
async fn variables_are_what_was_declared_whatever_is_in_them() {
    if !ready() {
        return;
    }
    let inside = Inside::new().await;
    let hostile = [
        "two  words, 'quoted' \"twice\" \\ $HOME ${HOME} `touch /tmp/x` $(touch /tmp/x)",
        "lines\nof\ttext\n\n'; touch /tmp/x; echo '\r\nEOF\nDEVPOCKET-END\n",
        "",
        "-n",
        "%s %d \\n",
        "#not a comment",
        "!history",
        "Ä €  ~ * ? [a]",
    ];
    let value = |(index, text): (usize, &&str)| {
        let (name, text) = (format!("V{index}"), (*text).to_owned());
        match index % 2 {
            0 => (name, Value::Plain(text)),
            _ => (name.clone(), Value::Sealed(sealed(&name, text.as_bytes()))),
        }
    };
    let variables: std::collections::BTreeMap<String, Value> =
        hostile.iter().enumerate().map(value).collect();
    let wanted = Configuration { variables: Some(variables.clone()), ..nothing() };
    inside.configure(&wanted).await.unwrap();
    for (index, expected) in hostile.iter().enumerate() {
        let said = inside.run(&format!("bash -lc 'printf %s \"$V{index}\" | base64 -w0'")).await;
        let said = STANDARD.decode(said).unwrap();
        assert_eq!(String::from_utf8(said).unwrap(), *expected);
    }
    assert_eq!(inside.run("ls /tmp").await, "", "a value was run");
    assert_eq!(inside.run("stat -c %a /etc/devpocket/variables").await, "600\n");
    // Left as they are, then taken away.
    inside.configure(&Configuration { variables: None, ..nothing() }).await.unwrap();
    assert_eq!(inside.run("bash -lc 'printf %s \"$V3\"'").await, "-n");
    inside.configure(&nothing()).await.unwrap();
    assert_eq!(inside.run("bash -lc 'echo ${V3-none}'").await, "none\n");

    // What would keep every program from starting, or is no text, is refused and named.
    for (value, word) in
        [(vec![b'x'; 40_000], "40000 bytes"), (vec![0xff], "UTF-8"), (vec![0], "NUL")]
    {
        let one = [("BAD".to_owned(), Value::Sealed(sealed("BAD", &value)))].into();
        let why = inside.broken(&Configuration { variables: Some(one), ..nothing() }).await;
        assert!(why.contains(word) && why.contains("\"db\""), "{why}");
    }
    let moved = Sealed { key: "elsewhere".into(), ..sealed("BAD", b"x") };
    let one = [("BAD".to_owned(), Value::Sealed(moved))].into();
    let wanted = Configuration { variables: Some(one), ..nothing() };
    let error = inside.configure(&wanted).await.unwrap_err();
    assert!(matches!(error, GuestError::Own(_)), "{error}");
}

#[tokio::test]
async fn a_password_reaches_the_machine_as_a_hash_and_is_taken_away_again() {
    if !ready() || !has("perl") {
        return;
    }
    let inside = Inside::new().await;
    let word = "hunter2 $x 'y' `z` Ä";
    let set = |value: &str| Configuration {
        password: Password::Set(sealed("pw", value.as_bytes())),
        ..nothing()
    };
    // A file's last line feed is no part of it.
    inside.configure(&set(&format!("{word}\n"))).await.unwrap();
    let shadow = inside.run("cat /etc/simulated-shadow").await;
    let hash = shadow.strip_prefix("dev:").and_then(|rest| rest.strip_suffix('\n')).unwrap();
    assert!(hash.starts_with("$6$rounds=100000$"), "{hash}");
    assert_eq!(crypt(word, hash).await, hash, "another implementation knows it");
    assert_ne!(crypt("hunter3", hash).await, hash);
    assert_eq!(inside.run("grep -rl hunter2 /home /etc /var 2>/dev/null || :").await, "");

    let kept = Configuration { password: Password::Kept, ..nothing() };
    inside.configure(&kept).await.unwrap();
    assert_eq!(inside.run("cat /etc/simulated-shadow").await, shadow);
    inside.configure(&nothing()).await.unwrap();
    inside.run("test ! -e /etc/simulated-shadow").await;
    for bad in ["", "two\nlines", &"x".repeat(600)] {
        let why = inside.broken(&set(bad)).await;
        assert!(why.contains("the password cannot be set") && why.contains("\"pw\""), "{why}");
    }
}

#[tokio::test]
async fn values_that_were_delivered_are_masked_in_what_a_machine_says() {
    if !ready() {
        return;
    }
    let it = Bridged::new("bwrap").await;
    let values = [sealed("pw", b"correct horse"), sealed("pem", b"line one\nline two\n")];
    let mask = it.bridge.mask(&values).await.unwrap();
    assert_eq!(mask.text("a correct horse, line two"), "a ***, ***");
    assert!(!format!("{mask:?}{values:?}").contains("horse"));
    let plain = Sealed { text: STANDARD.encode("battery"), ..values[0].clone() };
    assert_eq!(it.bridge.mask(&[plain]).await.unwrap().text("battery"), "***");
    // Without a sandbox nothing is run, and the machine is as ready as it can be.
    let bare = Bridged::new("/nowhere/bwrap").await;
    let key = bare.identified().await;
    let target = bare.target(&[&key]).await;
    bare.bridge.configure(&target, &nothing()).await.unwrap();
}
