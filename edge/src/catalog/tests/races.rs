//! Views obey the rule of the keyring: what was taken away does not come back.

use std::sync::Mutex;

use super::{Shop, asked};
use crate::catalog::Catalog;
use crate::replica::tests::race::overtake;
use crate::replica::tests::world::{Row, app, application, gone, version};

#[test]
fn a_look_up_that_began_before_a_yank_cannot_undo_it() {
    type Tell = fn(&Catalog, &crate::replica::Changed);
    let tells: [(&str, Tell); 2] = [
        ("change", |catalog, changed| catalog.refresh(changed)),
        ("snapshot", |catalog, _| catalog.refresh_all()),
    ];
    let writes: [(&str, Row); 2] = [
        ("yanked", version("1.0.0", |v| v.is_active = false)),
        ("deleted", gone(application("my-app", true).0)),
    ];
    for (by, tell) in tells {
        for (what, row) in &writes {
            let Shop { world, gate, catalog, .. } = Shop::with(&[version("1.0.0", |_| ())]);
            let permit = gate.admit(&asked("/v1/applications", "")).unwrap();
            let look_up = || {
                let view = catalog.view(&permit, &app("my-app")).ok()?;
                catalog.visible(&permit, &view, None).next().map(|version| version.name.to_string())
            };
            let (world, changed) = (Mutex::new(world), Mutex::new(None));
            overtake(
                || drop(look_up()),
                || *changed.lock().unwrap() = Some(world.lock().unwrap().write(std::slice::from_ref(row))),
                || tell(&catalog, changed.lock().unwrap().as_ref().unwrap()),
            );
            assert_eq!(look_up(), None, "{what} by a {by}, and came back");
        }
    }
}
