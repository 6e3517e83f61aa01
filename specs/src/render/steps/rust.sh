# rustup, for the user who works with it.
source=$(parameter rustup-source)
export RUSTUP_UPDATE_ROOT="$source/rustup" RUSTUP_DIST_SERVER="$source"
if [ ! -x "$HOME/.cargo/bin/rustup" ]; then
  fetch "$source/rustup/dist/$(uname -m)-unknown-linux-gnu/rustup-init" "$HOME/rustup-init"
  chmod 700 "$HOME/rustup-init"
  "$HOME/rustup-init" -y --no-modify-path --profile default --default-toolchain none
  rm -f "$HOME/rustup-init"
fi
"$HOME/.cargo/bin/rustup" toolchain install --profile default "$(parameter rust-version)"
"$HOME/.cargo/bin/rustup" default "$(parameter rust-version)"
