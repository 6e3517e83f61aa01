"""Makes the tiny stand-ins the steps download, in the folder named by the only argument.

What is real stays real: archives are archives, wheels are wheels that pip installs, scripts run.
Only what is in them is small."""

import io, os, sys, tarfile, zipfile

root = sys.argv[1]

NVM = r"""# A stand-in for NVM: the commands the steps use, with the same results.
nvm_enter() { PATH="$NVM_DIR/versions/node/v$1/bin:$PATH"; NVM_ENTERED=v$1; export PATH; }
nvm() {
  case $1 in
    install)
      local version=$2
      [ "$version" = --lts ] && version=24.11.0
      local folder="$NVM_DIR/versions/node/v$version"
      if [ ! -x "$folder/bin/node" ]; then
        mkdir -p "$folder"
        echo "Downloading $NVM_NODEJS_ORG_MIRROR/v$version.tar.gz..."
        curl -fsS "$NVM_NODEJS_ORG_MIRROR/v$version.tar.gz" -o "$folder/node.tar.gz" || return 3
        tar -xzf "$folder/node.tar.gz" -C "$folder" || return 3
      fi
      nvm_enter "$version"
      ;;
    current) echo "$NVM_ENTERED" ;;
    alias) mkdir -p "$NVM_DIR/alias" && echo "$3" >"$NVM_DIR/alias/$2" ;;
  esac
}
if [ "${1:-}" != --no-use ] && [ -s "$NVM_DIR/alias/default" ]; then
  nvm_enter "$(sed s/^v// "$NVM_DIR/alias/default")"
fi
"""

NODE = "#!/bin/sh\necho v24.11.0\n"

NPM = r"""#!/bin/sh
# npm install --global PACKAGE...: fetches from the registry of ~/.npmrc and makes its programs.
[ "$1" = --version ] && { echo 11.6.1; exit 0; }
[ "$1" = install ] || exit 2
shift
registry=$(sed -n 's/^registry=//p' "$HOME/.npmrc")
here=$(dirname "$0")
for name; do
  case $name in -*) continue ;; esac
  curl -fsS "$registry$name" -o "$here/.package" || {
    echo "npm error 404 Not Found - GET $registry$name" >&2
    exit 1
  }
  for program in $(cat "$here/.package"); do
    printf '#!/bin/sh\necho 1.2.3\n' >"$here/$program" && chmod 755 "$here/$program"
  done
  echo "added 1 package: $name"
done
"""

RUSTUP_INIT = r"""#!/bin/sh
mkdir -p "$HOME/.cargo/bin"
cat >"$HOME/.cargo/bin/rustup" <<'END'
#!/bin/sh
[ "$1 $2" = "toolchain install" ] || exit 0
for toolchain; do :; done
curl -fsS "$RUSTUP_DIST_SERVER/dist/channel-rust-$toolchain.toml" -o /dev/null || {
  echo "error: could not download file from '$RUSTUP_DIST_SERVER'" >&2
  exit 1
}
for program in rustc cargo; do
  printf '#!/bin/sh\necho "%s 1.91.1 (stand-in)"\n' $program >"$HOME/.cargo/bin/$program"
  chmod 755 "$HOME/.cargo/bin/$program"
done
END
chmod 755 "$HOME/.cargo/bin/rustup"
"""

PROGRAMS = {
    "pnpm": "pnpm", "yarn": "yarn", "pm2": "pm2", "nodemon": "nodemon", "typescript": "tsc",
    "express-generator": "express", "create-vite": "create-vite", "create-vue": "create-vue",
    "@anthropic-ai/claude-code": "claude", "@google/gemini-cli": "gemini",
    "opencode-ai": "opencode", "@openai/codex": "codex",
}

WHEELS = {
    "virtualenv": "virtualenv", "pipenv": "pipenv", "poetry": "poetry", "flask": "flask",
    "django": "django-admin",
}


def put(path, content):
    path = os.path.join(root, path)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(content if isinstance(content, bytes) else content.encode())


def archive(files):
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:gz") as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content.encode()), 0o755
            tar.addfile(entry, io.BytesIO(content.encode()))
    return made.getvalue()


def wheel(name, program):
    made = io.BytesIO()
    module, info = name + "_stand_in", f"{name}-9.1.0.dist-info"
    files = {
        f"{module}.py": "def main():\n    print('9.1.0')\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 9.1.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": f"[console_scripts]\n{program} = {module}:main\n",
    }
    files[f"{info}/RECORD"] = "".join(f"{path},,\n" for path in files) + f"{info}/RECORD,,\n"
    with zipfile.ZipFile(made, "w") as zipped:
        for path, content in files.items():
            zipped.writestr(path, content)
    return made.getvalue()


put("nvm/v0.40.6.tar.gz", archive({"nvm-0.40.6/nvm.sh": NVM}))
for version in ("24.11.0", "22.3.1"):
    put(f"node/v{version}.tar.gz", archive({"bin/node": NODE, "bin/npm": NPM}))
put("docker/debian/gpg", "a key\n")
put("go/go1.25.4.linux-amd64.tar.gz",
    archive({"go/bin/go": "#!/bin/sh\necho go version go1.25.4 linux/amd64\n"}))
put("rust/rustup/dist/x86_64-unknown-linux-gnu/rustup-init", RUSTUP_INIT)
put("rust/dist/channel-rust-stable.toml", "")
for package, program in PROGRAMS.items():
    put(f"npm/{package}", program + "\n")
for package, program in WHEELS.items():
    file = f"{package}-9.1.0-py3-none-any.whl"
    put(f"pypi/{package}/{file}", wheel(package, program))
    put(f"pypi/{package}/index.html", f'<a href="{file}">{file}</a>\n')
