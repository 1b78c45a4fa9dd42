//! docs/configuration.md tells every key as the program knows it.

use std::{env, fs, path::Path};

use obscura::config::reference;

const BEGIN: &str = "<!-- generated: `make docs` -->\n";
const END: &str = "<!-- end -->\n";

#[test]
fn the_configuration_page_is_up_to_date() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/configuration.md");
    let page = fs::read_to_string(&path).unwrap();
    let (before, rest) = page.split_once(BEGIN).expect("the page has a generated part");
    let (_, after) = rest.split_once(END).expect("the generated part ends");
    let fresh = format!("{before}{BEGIN}\n{}\n{END}{after}", reference());
    if env::var_os("OBSCURA_UPDATE_DOCS").is_some() {
        fs::write(&path, &fresh).unwrap();
    }
    assert!(page == fresh || env::var_os("OBSCURA_UPDATE_DOCS").is_some(), "run `make docs` and commit the page");
}
