//! Whom a name means in an image: `USER` and `--chown`.

use sandbox::{IDS, User};

use crate::layers::{LayerError, View};

/// A user of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Who {
    pub(super) user: User,
    pub(super) home: String,
}

/// A line of `/etc/passwd`.
struct Account {
    name: String,
    uid: u32,
    gid: u32,
    home: String,
}

/// Whom `USER` means: `user[:group]`, names or numbers; nothing is root. Further groups are those that list the user,
/// unless a group is said.
pub(super) fn user(view: &View, text: &str) -> Result<Who, LayerError> {
    let (user, group) = text.split_once(':').map_or((text, None), |(user, group)| (user, Some(group)));
    let user = if user.is_empty() { "0" } else { user };
    let accounts = accounts(view)?;
    let number = id(user)?;
    let found = accounts.iter().find(|account| account.name == user || Some(account.uid) == number);
    let (uid, gid, home) = match (found, number) {
        (Some(account), _) => (account.uid, account.gid, account.home.clone()),
        (None, Some(uid)) => (uid, 0, "/".to_owned()),
        (None, None) => {
            return Err(LayerError::refused(
                "etc/passwd",
                format!("has no user `{user}`: expected one that it has, or a number"),
            ));
        }
    };
    let groups = groups(view)?;
    let (gid, groups) = match group.filter(|group| !group.is_empty()) {
        Some(group) => (named_group(&groups, group)?, Vec::new()),
        None => {
            let name = found.map(|account| account.name.as_str());
            let mut list: Vec<u32> = groups
                .iter()
                .filter(|group| group.2.iter().any(|member| Some(member.as_str()) == name))
                .map(|group| group.1)
                .collect();
            // As engines have it: its own is among them.
            list.push(gid);
            list.sort_unstable();
            list.dedup();
            (gid, list)
        }
    };
    let home = if home.is_empty() { "/".to_owned() } else { home };
    Ok(Who { user: User { uid, gid, groups }, home })
}

/// Whom `--chown` means: `user[:group]`. A number alone is both, a name's group is the user's own.
pub(super) fn owner(view: &View, text: &str) -> Result<(u32, u32), LayerError> {
    let (user, group) = text.split_once(':').map_or((text, None), |(user, group)| (user, Some(group)));
    let (uid, own) = match id(user)? {
        Some(number) => (number, number),
        None if user.is_empty() => (0, 0),
        None => {
            let accounts = accounts(view)?;
            let Some(account) = accounts.iter().find(|account| account.name == user) else {
                return Err(LayerError::refused(
                    "etc/passwd",
                    format!("has no user `{user}`: expected one that it has, or a number"),
                ));
            };
            (account.uid, account.gid)
        }
    };
    match group.filter(|group| !group.is_empty()) {
        None => Ok((uid, own)),
        Some(group) => Ok((uid, named_group(&groups(view)?, group)?)),
    }
}

fn named_group(groups: &[(String, u32, Vec<String>)], group: &str) -> Result<u32, LayerError> {
    if let Some(number) = id(group)? {
        return Ok(number);
    }
    groups.iter().find(|known| known.0 == group).map(|known| known.1).ok_or_else(|| {
        let reason = format!("has no group `{group}`: expected one that it has, or a number");
        LayerError::refused("etc/group", reason)
    })
}

/// A number, if the text is one.
fn id(text: &str) -> Result<Option<u32>, LayerError> {
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return Ok(None);
    }
    match text.parse::<u32>().ok().filter(|id| *id < IDS) {
        Some(id) => Ok(Some(id)),
        None => Err(LayerError::refused("etc/passwd", format!("has no id {text}: expected one below {IDS}"))),
    }
}

fn accounts(view: &View) -> Result<Vec<Account>, LayerError> {
    let text = view.text("etc/passwd")?.unwrap_or_default();
    Ok(text
        .lines()
        .filter_map(|line| {
            let fields: Vec<&str> = line.split(':').collect();
            let id = |at: usize| fields.get(at)?.parse::<u32>().ok().filter(|id| *id < IDS);
            Some(Account {
                name: (*fields.first()?).to_owned(),
                uid: id(2)?,
                gid: id(3)?,
                home: fields.get(5).map(|home| (*home).to_owned()).unwrap_or_default(),
            })
        })
        .collect())
}

fn groups(view: &View) -> Result<Vec<(String, u32, Vec<String>)>, LayerError> {
    let text = view.text("etc/group")?.unwrap_or_default();
    Ok(text
        .lines()
        .filter_map(|line| {
            let fields: Vec<&str> = line.split(':').collect();
            let gid = fields.get(2)?.parse::<u32>().ok().filter(|id| *id < IDS)?;
            let members = fields.get(3).map_or("", |members| members.trim());
            let members = members.split(',').filter(|m| !m.is_empty()).map(str::to_owned).collect();
            Some(((*fields.first()?).to_owned(), gid, members))
        })
        .collect())
}
