//! Which file of a crate uses which: a file names something, in a `use` or a path, that another one
//! defines. Re-exports are followed to where the thing is; a `mod x;` alone is no use, and neither
//! is a comment, a visibility, or anything under `#[cfg(test)]`.
//!
//! Methods are not seen: a call names no file. Nor are names that a glob brings in and that stand
//! alone; the glob itself counts as a use of the file it opens.

use proc_macro2::{TokenStream, TokenTree};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::path::{Path, PathBuf};
use syn::visit::{self, Visit};

/// How many re-exports are followed from one name.
const HOPS_MAX: usize = 16;

/// The files of a crate, from its folder, and what each uses, with a path that says so.
#[derive(Debug, Default)]
pub(super) struct Uses {
    pub(super) of: BTreeMap<String, BTreeMap<String, String>>,
}

/// A module: a file, or a part of one in braces.
#[derive(Default)]
struct Module {
    file: String,
    parent: Option<usize>,
    children: HashMap<String, usize>,
    items: HashSet<String>,
    /// Macros that the whole crate knows by `crate::`.
    exported: HashSet<String>,
    imports: HashMap<String, Vec<String>>,
    globs: Vec<Vec<String>>,
    /// Everything that is named, as it is written.
    paths: BTreeSet<Vec<String>>,
}

/// What a path leads to.
enum Found {
    Module(usize),
    ItemIn(usize),
    Elsewhere,
}

struct Crate {
    folder: PathBuf,
    modules: Vec<Module>,
}

impl Uses {
    /// Reads a crate from its folder.
    pub(super) fn of_crate(folder: &Path) -> Uses {
        let root = ["lib.rs", "main.rs"].map(|name| folder.join(name));
        let root = root.into_iter().find(|path| path.exists());
        let mut read = Crate {
            folder: folder.to_owned(),
            modules: Vec::new(),
        };
        read.load_file(&root.expect("a crate has a root"), None);
        read.uses()
    }

    /// One shortest circle of each knot of files that all use each other, in the end.
    pub(super) fn circles(&self) -> Vec<Vec<String>> {
        let mut circles: Vec<Vec<String>> = Vec::new();
        let mut known: HashSet<&str> = HashSet::new();
        for file in self.of.keys() {
            if known.contains(file.as_str()) {
                continue;
            }
            let knot = self.knot(file);
            known.extend(knot.iter().copied());
            let all = knot.iter().filter_map(|file| self.shortest_circle(file));
            circles.extend(all.min_by_key(Vec::len));
        }
        circles
    }

    /// The files that use this one and that it uses, directly or through others; and itself.
    fn knot<'a>(&'a self, file: &'a str) -> Vec<&'a str> {
        let reached = self.reached_from(file);
        let mut knot: Vec<&str> = reached
            .keys()
            .copied()
            .filter(|other| self.reached_from(other).contains_key(file))
            .collect();
        if knot.is_empty() {
            knot.push(file);
        }
        knot.sort_unstable();
        knot
    }

    /// All that a file uses in the end, each with the one that it is used by on a shortest way.
    fn reached_from<'a>(&'a self, file: &'a str) -> HashMap<&'a str, &'a str> {
        let mut reached = HashMap::new();
        let mut pending = VecDeque::from([file]);
        while let Some(user) = pending.pop_front() {
            for used in self.of.get(user).into_iter().flat_map(BTreeMap::keys) {
                if !reached.contains_key(used.as_str()) {
                    reached.insert(used.as_str(), user);
                    pending.push_back(used);
                }
            }
        }
        reached
    }

    /// `a → b (as crate::b::B)`, and so on, back to `a`.
    fn shortest_circle(&self, file: &str) -> Option<Vec<String>> {
        let reached = self.reached_from(file);
        let mut way = Vec::new();
        let mut at = file;
        loop {
            let user = *reached.get(at)?;
            way.push(format!("{user} → {at} ({})", self.of[user][at]));
            if user == file {
                way.reverse();
                return Some(way);
            }
            at = user;
        }
    }
}

impl Crate {
    fn load_file(&mut self, path: &Path, parent: Option<usize>) -> usize {
        let text = std::fs::read_to_string(path)
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let parsed =
            syn::parse_file(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let name = path.file_stem().unwrap_or_default();
        let folder = path.parent().expect("it lies in the crate");
        let below = match name.to_str() {
            Some("mod" | "lib" | "main") => folder.to_owned(),
            _ => folder.join(name),
        };
        let file = path.strip_prefix(&self.folder).expect("it is below");
        let file = file.to_string_lossy().into_owned();
        self.load_items(file, &parsed.items, &below, parent)
    }

    fn load_items(
        &mut self,
        file: String,
        items: &[syn::Item],
        below: &Path,
        parent: Option<usize>,
    ) -> usize {
        let index = self.modules.len();
        self.modules.push(Module {
            file: file.clone(),
            parent,
            ..Module::default()
        });
        let mut reader = Reader {
            module: &mut self.modules[index],
            inside: Vec::new(),
        };
        for item in items {
            reader.visit_item(item);
        }
        for module in reader.inside {
            let name = module.ident.to_string();
            let child = match &module.content {
                Some((_, items)) => {
                    self.load_items(file.clone(), items, &below.join(&name), Some(index))
                }
                None => {
                    let places = [format!("{name}.rs"), format!("{name}/mod.rs")];
                    let mut places = places.iter().map(|place| below.join(place));
                    let found = places.find(|place| place.exists());
                    self.load_file(&found.expect("it is compiled"), Some(index))
                }
            };
            self.modules[index].children.insert(name, child);
        }
        index
    }

    fn uses(&self) -> Uses {
        let mut uses = Uses::default();
        for (index, module) in self.modules.iter().enumerate() {
            let used = uses.of.entry(module.file.clone()).or_default();
            let globs =
                module
                    .globs
                    .iter()
                    .filter_map(|path| match self.resolve(index, path, HOPS_MAX) {
                        Found::Module(module) | Found::ItemIn(module) => Some((module, path)),
                        Found::Elsewhere => None,
                    });
            let items =
                module
                    .paths
                    .iter()
                    .filter_map(|path| match self.resolve(index, path, HOPS_MAX) {
                        Found::ItemIn(module) => Some((module, path)),
                        Found::Module(_) | Found::Elsewhere => None,
                    });
            for (other, path) in globs.chain(items) {
                let other = &self.modules[other].file;
                if *other != module.file {
                    used.entry(other.clone()).or_insert_with(|| path.join("::"));
                }
            }
        }
        uses
    }

    /// Where a path leads that is written in a module.
    fn resolve(&self, module: usize, path: &[String], hops: usize) -> Found {
        let mut at = module;
        for (place, name) in path.iter().enumerate() {
            at = match name.as_str() {
                "crate" => 0,
                "self" => at,
                "super" => match self.modules[at].parent {
                    Some(parent) => parent,
                    None => return Found::Elsewhere,
                },
                name => match self.look_up(at, name, path.len() == 1, hops) {
                    Found::Module(module) => module,
                    // What follows is a variant, or what is associated with a type.
                    Found::ItemIn(module) => return Found::ItemIn(module),
                    Found::Elsewhere if place == 0 => return Found::Elsewhere,
                    // A derive or a macro has made it, where it is named.
                    Found::Elsewhere => return Found::ItemIn(at),
                },
            };
        }
        Found::Module(at)
    }

    /// Where a name of a module leads. A module and an item may have the same name: what stands
    /// alone is the item.
    fn look_up(&self, module: usize, name: &str, is_alone: bool, hops: usize) -> Found {
        let here = &self.modules[module];
        if hops == 0 {
            return Found::Elsewhere;
        }
        if is_alone && here.items.contains(name) {
            return Found::ItemIn(module);
        }
        if let Some(child) = here.children.get(name) {
            return Found::Module(*child);
        }
        if here.items.contains(name) {
            return Found::ItemIn(module);
        }
        if let Some(path) = here.imports.get(name) {
            // `use name;` of another crate would lead to itself.
            let is_itself = path.len() == 1 && path[0] == name;
            return if is_itself {
                Found::Elsewhere
            } else {
                self.resolve(module, path, hops - 1)
            };
        }
        if module == 0
            && let Some(exporter) = self.modules.iter().position(|m| m.exported.contains(name))
        {
            return Found::ItemIn(exporter);
        }
        for glob in &here.globs {
            if let Found::Module(opened) = self.resolve(module, glob, hops - 1)
                && opened != module
            {
                let found = self.look_up(opened, name, is_alone, hops - 1);
                if !matches!(found, Found::Elsewhere) {
                    return found;
                }
            }
        }
        Found::Elsewhere
    }
}

/// Reads the items of a module, and everything that is named in them.
struct Reader<'m> {
    module: &'m mut Module,
    inside: Vec<syn::ItemMod>,
}

impl Reader<'_> {
    fn read_use(&mut self, before: &[String], tree: &syn::UseTree) {
        let followed_by = |name: &syn::Ident| {
            let mut path = before.to_vec();
            path.push(name.to_string());
            path
        };
        match tree {
            syn::UseTree::Path(path) => self.read_use(&followed_by(&path.ident), &path.tree),
            syn::UseTree::Name(name) if name.ident == "self" => {
                let last = before.last().cloned().unwrap_or_default();
                self.import(last, before.to_vec());
            }
            syn::UseTree::Name(name) => {
                self.import(name.ident.to_string(), followed_by(&name.ident));
            }
            syn::UseTree::Rename(renamed) => {
                let path = match renamed.ident == "self" {
                    true => before.to_vec(),
                    false => followed_by(&renamed.ident),
                };
                self.import(renamed.rename.to_string(), path);
            }
            syn::UseTree::Glob(_) => self.module.globs.push(before.to_vec()),
            syn::UseTree::Group(group) => {
                for tree in &group.items {
                    self.read_use(before, tree);
                }
            }
        }
    }

    fn import(&mut self, name: String, path: Vec<String>) {
        self.module.paths.insert(path.clone());
        self.module.imports.insert(name, path);
    }

    /// The paths in what a macro is given, which has no grammar of its own.
    fn read_tokens(&mut self, tokens: TokenStream) {
        let mut path: Vec<String> = Vec::new();
        let mut colons = 0;
        for token in tokens {
            match token {
                TokenTree::Ident(ident) => {
                    if colons != 2 {
                        self.end_path(&mut path);
                    }
                    path.push(ident.to_string());
                    colons = 0;
                }
                TokenTree::Punct(punct) if punct.as_char() == ':' => colons += 1,
                TokenTree::Group(group) => {
                    self.end_path(&mut path);
                    self.read_tokens(group.stream());
                    colons = 0;
                }
                TokenTree::Punct(_) | TokenTree::Literal(_) => {
                    self.end_path(&mut path);
                    colons = 0;
                }
            }
        }
        self.end_path(&mut path);
    }

    fn end_path(&mut self, path: &mut Vec<String>) {
        if path.len() > 1 {
            self.module.paths.insert(path.clone());
        }
        path.clear();
    }
}

impl<'ast> Visit<'ast> for Reader<'_> {
    fn visit_item(&mut self, item: &'ast syn::Item) {
        if is_of_tests(attributes(item)) {
            return;
        }
        match item {
            syn::Item::Mod(module) => self.inside.push(module.clone()),
            syn::Item::Use(item) if item.leading_colon.is_none() => {
                self.read_use(&[], &item.tree);
            }
            other => {
                if attributes(other)
                    .iter()
                    .any(|it| it.path().is_ident("macro_export"))
                {
                    self.module.exported.extend(name(other));
                }
                self.module.items.extend(name(other));
                visit::visit_item(self, other);
            }
        }
    }

    fn visit_impl_item(&mut self, item: &'ast syn::ImplItem) {
        let is_of_tests = match item {
            syn::ImplItem::Fn(function) => is_of_tests(&function.attrs),
            syn::ImplItem::Const(constant) => is_of_tests(&constant.attrs),
            _ => false,
        };
        if !is_of_tests {
            visit::visit_impl_item(self, item);
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        if path.leading_colon.is_none() {
            let names = path.segments.iter();
            let names = names.map(|segment| segment.ident.to_string());
            self.module.paths.insert(names.collect());
        }
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, called: &'ast syn::Macro) {
        self.visit_path(&called.path);
        self.read_tokens(called.tokens.clone());
    }

    fn visit_attribute(&mut self, _: &'ast syn::Attribute) {}

    fn visit_visibility(&mut self, _: &'ast syn::Visibility) {}
}

fn is_of_tests(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| match &attribute.meta {
        syn::Meta::List(list) if list.path.is_ident("cfg") => {
            let condition = list.tokens.to_string().replace(' ', "");
            condition == "test" || condition.starts_with("all(test,")
        }
        _ => false,
    })
}

fn attributes(item: &syn::Item) -> &[syn::Attribute] {
    match item {
        syn::Item::Const(item) => &item.attrs,
        syn::Item::Enum(item) => &item.attrs,
        syn::Item::Fn(item) => &item.attrs,
        syn::Item::Impl(item) => &item.attrs,
        syn::Item::Macro(item) => &item.attrs,
        syn::Item::Mod(item) => &item.attrs,
        syn::Item::Static(item) => &item.attrs,
        syn::Item::Struct(item) => &item.attrs,
        syn::Item::Trait(item) => &item.attrs,
        syn::Item::Type(item) => &item.attrs,
        syn::Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

fn name(item: &syn::Item) -> Option<String> {
    let ident = match item {
        syn::Item::Const(item) => &item.ident,
        syn::Item::Enum(item) => &item.ident,
        syn::Item::Fn(item) => &item.sig.ident,
        syn::Item::Macro(item) => item.ident.as_ref()?,
        syn::Item::Static(item) => &item.ident,
        syn::Item::Struct(item) => &item.ident,
        syn::Item::Trait(item) => &item.ident,
        syn::Item::Type(item) => &item.ident,
        syn::Item::Union(item) => &item.ident,
        _ => return None,
    };
    Some(ident.to_string())
}
