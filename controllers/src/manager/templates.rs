//! The templates that come with DevPocket: brought once, and renewed as long as nobody changed them.

use devpocket_specs::installation::Installation;
use devpocket_specs::kind::Kind;
use devpocket_specs::object::Key;
use devpocket_specs::template::{Template, is_untouched, shipped_template};

use super::mirrors::installation_key;
use crate::client::{Client, ClientError};

/// Brings each of them that was not brought before, and the newer version of those that are as they
/// were brought. What an operator changed, or deleted, is left as it is. No machine is touched: an
/// environment keeps the version it was installed from.
pub async fn ensure(client: &Client, shipped: &[&str]) -> Result<(), ClientError> {
    let installation = client.get::<Installation>(&installation_key()).await?;
    let Some(installation) = installation.filter(|_| !shipped.is_empty()) else { return Ok(()) };
    let mut brought = installation.status.shipped_templates;
    let before = brought.len();
    for yaml in shipped {
        let template = shipped_template(yaml)?;
        let name = template.metadata.name.clone();
        bring(client, &template, brought.contains(&name)).await?;
        if !brought.contains(&name) {
            brought.push(name);
        }
    }
    if brought.len() > before {
        let remember = |i: &mut Installation| i.status.shipped_templates.clone_from(&brought);
        client.edit_status(&installation_key(), remember).await?;
    }
    Ok(())
}

async fn bring(client: &Client, shipped: &Template, before: bool) -> Result<(), ClientError> {
    let key = Key::cluster(Kind::Template, &shipped.metadata.name);
    match client.get::<Template>(&key).await? {
        None if before => Ok(()),
        None => match client.create(shipped).await {
            Err(error) if !error.is_already_exists() => Err(error),
            _ => Ok(()),
        },
        Some(there) if is_untouched(&there) && there.spec != shipped.spec => {
            let renew = |template: &mut Template| {
                // Perhaps somebody changed it meanwhile.
                if is_untouched(template) {
                    template.spec.clone_from(&shipped.spec);
                    template.metadata.annotations.extend(shipped.metadata.annotations.clone());
                }
            };
            client.edit(&key, renew).await.map(drop)
        }
        Some(_) => Ok(()),
    }
}
