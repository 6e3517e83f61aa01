# Only sshd and the ports of the template are reached from outside, also when Docker publishes more.
command -v nft >/dev/null || install_packages nftables
open=$(printf '%s, ' $DEVPOCKET_PORTS)
put /etc/devpocket/firewall.nft <<END
table inet devpocket
delete table inet devpocket
table inet devpocket {
  chain input {
    type filter hook input priority 0; policy drop;
    ct state established,related accept
    ct state invalid drop
    iifname { "lo", "docker0" } accept
    iifname "br-*" accept
    meta l4proto { icmp, ipv6-icmp } accept
    udp sport { 67, 547 } udp dport { 68, 546 } accept
    tcp dport { ${open%, } } accept
  }
  chain published {
    type filter hook forward priority -5; policy accept;
    ct state established,related accept
    iifname { "lo", "docker0" } accept
    iifname "br-*" accept
    ct status dnat meta l4proto tcp ct original proto-dst { ${open%, } } accept
    ct status dnat drop
  }
}
END
put /etc/systemd/system/devpocket-firewall.service <<'END'
[Unit]
Description=DevPocket lets in SSH and the ports of the template
Before=network-pre.target
Wants=network-pre.target
DefaultDependencies=no
After=local-fs.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/sbin/nft -f /etc/devpocket/firewall.nft

[Install]
WantedBy=multi-user.target
END
systemctl daemon-reload
start devpocket-firewall.service
