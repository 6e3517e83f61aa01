//! Makes a guest be as declared: the script with everything in it, which goes through the standard
//! input of a shell on the machine. So no value is in a command line, which everybody on a machine
//! sees, or in a file that outlives the call.
//!
//! The password travels as a hash: SHA-512-crypt, because that is the one every image's `crypt`
//! reads.

use std::fmt::Write as _;

use devpocket_controllers::guest::{Configuration, GuestError, Password, Sealed, Value};
use devpocket_specs::install::Mask;
use devpocket_specs::render::{
    PRELUDE, authorized_key, is_variable_name, shell_quote, shipped_step,
};
use sha_crypt::{Algorithm, Params, PasswordHasher as _, ShaCrypt};

use super::authority::Authority;

/// Rounds of SHA-512 in a password's hash: some 100 ms here and at each sign-in on a console.
const ROUNDS: u32 = 100_000;
/// Bytes of salt; SHA-crypt takes up to sixteen characters, of which base64 makes four of three.
const SALT_BYTES: usize = 12;
/// Longest password, in bytes: `crypt` takes no longer one.
const PASSWORD_MAX: usize = 511;
/// Most bytes of a variable from a Secret. Linux passes at most 128 KiB on to a program in one.
const VALUE_MAX: usize = 32 * 1024;
/// Most bytes of all variables: with more no program could be started on the machine any more.
const VARIABLES_MAX: usize = 256 * 1024;

/// What is sent, and what masks the values in an answer.
pub(super) struct Sent {
    pub script: String,
    pub mask: Mask,
}

/// The script that makes a guest be like this.
pub(super) async fn sent(
    authority: &Authority,
    wanted: &Configuration,
) -> Result<Sent, GuestError> {
    let mask = mask(authority, wanted.sealed())?;
    let mut script = Script::default();
    let keys = wanted.keys.iter().filter_map(|key| authorized_key(key));
    script.part("keys", &[("KEYS", &keys.map(|key| format!("{key}\n")).collect::<String>())])?;
    if let Some(variables) = &wanted.variables {
        let mut lines = String::new();
        for (name, value) in variables {
            let line = variable(authority, name, value)?;
            let _ = writeln!(lines, "export {name}={line}");
        }
        if lines.len() > VARIABLES_MAX {
            return Err(broken(format!("the variables are more than {VARIABLES_MAX} bytes")));
        }
        script.part("variables", &[("VARIABLES", &lines)])?;
    }
    match &wanted.password {
        Password::Kept => {}
        Password::Locked => script.part("password", &[("PASSWORD", "")])?,
        Password::Set(sealed) => {
            let hash = hash(password(authority, sealed)?).await?;
            script.part("password", &[("PASSWORD", &hash)])?;
        }
    }
    if let Some(shell) = &wanted.shell {
        let step = shipped_step("user").map_or("", |step| step.source);
        let step = format!("set -euo pipefail\n{PRELUDE}\n{step}");
        script.part("shell", &[("SHELL_WANTED", shell), ("STEP", &step)])?;
    }
    Ok(Sent { script: script.whole(), mask })
}

/// Masks these values.
pub(super) fn mask<'a>(
    authority: &Authority,
    values: impl Iterator<Item = &'a Sealed>,
) -> Result<Mask, GuestError> {
    let opened = values.map(|sealed| open(authority, sealed)).collect::<Result<Vec<_>, _>>()?;
    Ok(Mask::new(opened.iter().map(|value| String::from_utf8_lossy(value))))
}

fn broken(why: String) -> GuestError {
    GuestError::Broken(why)
}

fn place(sealed: &Sealed) -> String {
    format!("key \"{}\" of the Secret \"{}\"", sealed.key, sealed.name)
}

fn open(authority: &Authority, sealed: &Sealed) -> Result<Vec<u8>, GuestError> {
    authority.opened(sealed).map_err(|error| GuestError::Own(error.to_string()))
}

fn text(authority: &Authority, sealed: &Sealed) -> Result<String, GuestError> {
    let text = String::from_utf8(open(authority, sealed)?);
    text.map_err(|_| broken(format!("{} is no text (UTF-8)", place(sealed))))
}

/// A variable's value as a word of shell source.
fn variable(authority: &Authority, name: &str, value: &Value) -> Result<String, GuestError> {
    let (text, from) = match value {
        Value::Plain(text) => (text.clone(), "its value".to_owned()),
        Value::Sealed(sealed) => (text(authority, sealed)?, place(sealed)),
    };
    if text.len() > VALUE_MAX {
        let length = text.len();
        let why = format!(
            "the variable {name} cannot be set: {from} has {length} bytes, at most {VALUE_MAX}"
        );
        return Err(broken(why));
    }
    let quoted = shell_quote(&text).filter(|_| is_variable_name(name));
    quoted.ok_or_else(|| broken(format!("the variable {name} cannot be set: {from} has a NUL")))
}

/// A password is one line. The line feed that files end with is no part of it.
fn password(authority: &Authority, sealed: &Sealed) -> Result<String, GuestError> {
    let mut text = text(authority, sealed)?;
    if text.ends_with('\n') {
        text.pop();
        if text.ends_with('\r') {
            text.pop();
        }
    }
    let why = match () {
        () if text.is_empty() => "is empty",
        () if text.chars().any(char::is_control) => "has more than one line, or control characters",
        () if text.len() > PASSWORD_MAX => "is longer than 511 bytes",
        () => return Ok(text),
    };
    Err(broken(format!("the password cannot be set: {} {why}", place(sealed))))
}

async fn hash(password: String) -> Result<String, GuestError> {
    let own = |why: String| GuestError::Own(format!("the password cannot be hashed: {why}"));
    let mut salt = [0; SALT_BYTES];
    getrandom::fill(&mut salt).map_err(|error| own(error.to_string()))?;
    let hashed = tokio::task::spawn_blocking(move || {
        let params = Params::new(ROUNDS).map_err(|error| error.to_string())?;
        let hasher = ShaCrypt::new(Algorithm::Sha512Crypt, params);
        let hash = hasher.hash_password_with_salt(password.as_bytes(), &salt);
        hash.map(|hash| hash.as_str().to_owned()).map_err(|error| error.to_string())
    });
    hashed.await.map_err(|error| own(error.to_string()))?.map_err(own)
}

/// Assignments, and the parts that use them.
#[derive(Default)]
struct Script {
    values: String,
    parts: String,
}

impl Script {
    fn part(&mut self, name: &str, values: &[(&str, &str)]) -> Result<(), GuestError> {
        for (variable, value) in values {
            let value = shell_quote(value);
            let value = value.ok_or_else(|| broken(format!("the {name} have a NUL in them")))?;
            let _ = writeln!(self.values, "{variable}={value}");
        }
        let _ = writeln!(self.parts, "{name}\n[ $? -eq 0 ] || code=1");
        Ok(())
    }

    fn whole(&self) -> String {
        format!("{}{CONFIGURE}{}sync\nexit \"$code\"\n", self.values, self.parts)
    }
}

/// The parts, as `dev`; what needs root goes through sudo. Each is a shell of its own that ends at
/// the first thing that fails, and says on its last line what that was.
const CONFIGURE: &str = r##"set -u
umask 077
me=$(id -un)
code=0

keys() (
  set -e
  own=$HOME/.ssh/authorized_keys
  mkdir -p "$HOME/.ssh"
  [ -e "$own" ] || : >"$own"
  # Everything but our own lines stays; a file that cannot be read ends it here.
  { grep -v ' devpocket$' "$own" || [ $? -eq 1 ]; } >"$own.new"
  printf '%s' "$KEYS" >>"$own.new"
  mv -f "$own.new" "$own"
)

variables() (
  set -e
  file=/etc/devpocket/variables
  printf '%s' "$VARIABLES" | sudo -n /bin/sh -c '
    set -e
    umask 077
    mkdir -p "${1%/*}"
    chmod 755 "${1%/*}"
    cat >"$1.new"
    chown "$2" "$1.new" 2>/dev/null || :
    mv -f "$1.new" "$1"' sh "$file" "$me"
  if [ ! -r "$file" ]; then
    echo "$me cannot read $file" >&2
    exit 1
  fi
  printf '%s\n' "# Environment variables of $me, by DevPocket." \
    "if [ \"\$(id -un)\" = $me ] && [ -r $file ]; then . $file; fi" |
    sudo -n /bin/sh -c 'set -e; umask 022; cat >"$1.new"; mv -f "$1.new" "$1"' sh \
      /etc/profile.d/devpocket.sh
)

password() (
  set -e
  ours=/var/lib/devpocket/password
  if [ -n "$PASSWORD" ]; then
    sudo -n /bin/sh -c 'mkdir -p "${1%/*}" && : >"$1"' sh "$ours" </dev/null
    printf '%s:%s\n' "$me" "$PASSWORD" | sudo -n chpasswd -e
  elif [ -e "$ours" ]; then
    sudo -n usermod -p '!' "$me" </dev/null
    sudo -n rm -f "$ours" </dev/null
  fi
)

shell() (
  set -e
  now=$(grep "^$me:" /etc/passwd | cut -d: -f7)
  if [ "$now" != "$SHELL_WANTED" ] || [ ! -x "$SHELL_WANTED" ]; then
    said=$(sudo -n env DEBIAN_FRONTEND=noninteractive DEVPOCKET_SHELL="$SHELL_WANTED" \
      bash -c "$STEP" </dev/null 2>&1) || {
      printf '%s cannot become the shell: %s\n' "$SHELL_WANTED" \
        "$(printf '%s\n' "$said" | tail -n 1)" >&2
      exit 1
    }
  fi
)

"##;
