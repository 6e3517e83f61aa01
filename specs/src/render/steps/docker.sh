# Docker's own packages; published ports are on loopback unless said otherwise.
needs_apt
. /etc/os-release
source=$(parameter docker-source)/$ID
mkdir -p /etc/apt/keyrings
fetch "$source/gpg" /etc/apt/keyrings/docker.asc
put /etc/apt/sources.list.d/docker.list <<END
deb [arch=$(dpkg --print-architecture) signed-by=/etc/apt/keyrings/docker.asc] $source $VERSION_CODENAME stable
END
[ -e /etc/docker/daemon.json ] || put /etc/docker/daemon.json <<'END'
{
  "ip": "127.0.0.1",
  "default-network-opts": {"bridge": {"com.docker.network.bridge.host_binding_ipv4": "127.0.0.1"}},
  "log-driver": "local"
}
END
install_packages docker-ce docker-ce-cli containerd.io docker-buildx-plugin docker-compose-plugin
usermod --append --groups docker dev
start docker.service
