# The release of go.dev, unpacked beside the old one and then put in its place.
version=$(parameter go-version)
case $(uname -m) in x86_64) machine=amd64 ;; aarch64) machine=arm64 ;; *) machine=$(uname -m) ;; esac
if [ "$(cat /usr/local/go/.devpocket-version 2>/dev/null)" != "$version" ]; then
  fetch "$(parameter go-source)/go$version.linux-$machine.tar.gz" /var/tmp/devpocket-go.tar.gz
  rm -rf /usr/local/go.new
  mkdir -p /usr/local/go.new
  tar -xzf /var/tmp/devpocket-go.tar.gz -C /usr/local/go.new --strip-components=1
  printf '%s\n' "$version" >/usr/local/go.new/.devpocket-version
  rm -rf /usr/local/go /var/tmp/devpocket-go.tar.gz
  mv /usr/local/go.new /usr/local/go
fi
put /etc/profile.d/devpocket-go.sh <<'END'
PATH="$PATH:/usr/local/go/bin:$HOME/go/bin"
END
/usr/local/go/bin/go version
