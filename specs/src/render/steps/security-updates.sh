# Security updates come by themselves; a reboot is left to people.
if command -v apt-get >/dev/null; then
  install_packages unattended-upgrades
  put /etc/apt/apt.conf.d/52devpocket <<'END'
APT::Periodic::Update-Package-Lists "1";
APT::Periodic::Unattended-Upgrade "1";
Unattended-Upgrade::Automatic-Reboot "false";
END
  systemctl enable --now apt-daily.timer apt-daily-upgrade.timer
elif command -v dnf >/dev/null; then
  install_packages dnf-automatic
  sed -i 's/^upgrade_type.*/upgrade_type = security/;s/^apply_updates.*/apply_updates = yes/' \
    /etc/dnf/automatic.conf
  systemctl enable --now dnf-automatic.timer
else
  fail "security updates are set up for apt and dnf only, and this machine has neither"
fi
