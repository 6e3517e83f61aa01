# Node through NVM, for the user who works with it.
version=$(parameter nvm-version)
source=$(parameter nvm-source)
export NVM_DIR="$HOME/.nvm" NVM_NODEJS_ORG_MIRROR
NVM_NODEJS_ORG_MIRROR=$(parameter node-source)
if [ "$(cat "$NVM_DIR/.devpocket-version" 2>/dev/null)" != "$version" ]; then
  mkdir -p "$NVM_DIR"
  fetch "$source/v$version.tar.gz" "$NVM_DIR/nvm.tar.gz"
  tar -xzf "$NVM_DIR/nvm.tar.gz" -C "$NVM_DIR" --strip-components=1
  printf '%s\n' "$version" >"$NVM_DIR/.devpocket-version"
fi
registry=${DEVPOCKET_PARAMETER_NPM_SOURCE:-}
[ -z "$registry" ] || [ -e "$HOME/.npmrc" ] || printf 'registry=%s\n' "$registry" | put "$HOME/.npmrc" 600
node=$(parameter node-version)
# NVM's own code does not run under these.
set +eu
. "$NVM_DIR/nvm.sh" --no-use
if [ "$node" = lts ]; then nvm install --lts; else nvm install "$node"; fi || exit
nvm alias default "$(nvm current)" || exit
set -eu
[ $# -eq 0 ] || npm install --global --no-audit "$@"
