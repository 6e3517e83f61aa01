//! The standard images, with the ids they have (they change over releases: resolve by name).

/// A standard image of the account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Image {
    pub id: &'static str,
    pub name: &'static str,
    pub description: &'static str,
    pub version: &'static str,
}

const fn image(
    id: &'static str,
    name: &'static str,
    description: &'static str,
    version: &'static str,
) -> Image {
    Image { id, name, description, version }
}

#[rustfmt::skip]
pub const IMAGES: &[Image] = &[
    image("d64d5c6c-9dda-4e38-8174-0ee282474d8a", "ubuntu-24.04", "Ubuntu 24.04 (LTS)", "24.04"),
    image("afecbb85-e2fc-46f0-9684-b46b1faf00bb", "ubuntu-22.04", "Ubuntu 22.04 (LTS)", "22.04"),
    image("db1409d2-ed92-4f2f-978e-7b2fa4a1ec90", "ubuntu-20.04", "Ubuntu 20.04 (LTS)", "20.04"),
    image("0a3f4b06-a104-4917-bc85-11eba40cb6de", "debian-13", "Debian 13 (Trixie)", "13"),
    image("4efbc0ba-2313-4fe1-842a-516f8652e729", "debian-12", "Debian 12 (Bookworm)", "12"),
    image("66abf39a-ba8b-425e-a385-8eb347ceac10", "debian-11", "Debian 11 (Bullseye)", "11"),
    image("81d9280e-8753-40ae-8aef-7f6e20751b85", "almalinux-9", "AlmaLinux 9", "9"),
    image("fe6c2c36-031e-4474-aa5c-c5297196c80e", "rockylinux-9", "Rocky Linux 9", "9"),
    image("8b7c9b2a-ca59-48a2-92ea-5180779183cc", "centos-9-stream", "CentOS 9 Stream", "9"),
    image("f4752284-c311-4ee9-8e76-f818eac08f44", "fedora-42", "Fedora 42", "42"),
    image("9b509bd0-7a81-4142-9fba-66c0cc451cb8", "fedora-41", "Fedora 41", "41"),
    image("3c879b22-5c22-4488-9ffa-6876bc04b580", "opensuse-leap-15.4", "openSUSE Leap 15.4", "15.4"),
    image("7a8bffde-6721-44c0-ac03-c10796f455f8", "ubuntu-22.04-cpanel", "Ubuntu 22.04 with cPanel", "22.04"),
    image("768a7a22-a9a0-4bb8-911f-6d4a876919b9", "rockylinux-9-cpanel", "Rocky Linux 9 with cPanel", "9"),
    image("75d9e3bf-439b-4dc5-a10e-0450e9f853ad", "rockylinux-8-plesk", "Rocky Linux 8 with Plesk", "8"),
];

pub fn find_image(id: &str) -> Option<&'static Image> {
    IMAGES.iter().find(|image| image.id.eq_ignore_ascii_case(id))
}
