//! The name that a misspelt name most resembles.
//!
//! Parity: PostgREST takes its hints from the library `fuzzyset`, whose answers these are. Names
//! are compared in two steps: first by the cosine of their gram counts (pieces of three
//! characters, and of two if that gives nothing), which picks 50 candidates cheaply; then by edit
//! distance, which ranks those. Where the library's order depends on its hashing (equal scores),
//! ours is the alphabet's.
//!
//! Work is bounded by the number of candidates and by [`FuzzySet::get`] refusing at once what is
//! too long to resemble anything.

use std::collections::{BTreeSet, HashMap};

const CANDIDATES_MAX: usize = 50;

/// Names that can be searched.
#[derive(Debug)]
pub(crate) struct FuzzySet {
    entries: Vec<Entry>,
    /// Where the name stands in `entries`, by its lower case.
    exact: HashMap<String, usize>,
    trigrams: GramIndex<3>,
    bigrams: GramIndex<2>,
    /// The characters of the longest name.
    chars_max: usize,
}

/// A name that was found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct FuzzyMatch<'a> {
    /// From 0, nothing in common, to 1, the same but for upper and lower case.
    pub score: f64,
    /// The name as it was given.
    pub name: &'a str,
}

#[derive(Debug)]
struct Entry {
    name: String,
    lower: Vec<char>,
}

/// Which entries hold a piece of `N` characters.
#[derive(Debug)]
struct GramIndex<const N: usize> {
    /// For each piece the entries that hold it, with how often they do.
    entries: HashMap<[char; N], Vec<(usize, u32)>>,
    /// The length of each entry's vector of counts.
    magnitudes: Vec<f64>,
}

impl FuzzySet {
    /// Takes the names; of those that differ only in case, the first in the alphabet counts.
    pub(crate) fn new<'a>(names: impl IntoIterator<Item = &'a str>) -> FuzzySet {
        let mut entries: Vec<Entry> = Vec::new();
        let mut exact = HashMap::new();
        for name in names.into_iter().collect::<BTreeSet<&str>>() {
            let lower = name.to_lowercase();
            let characters = lower.chars().collect();
            exact.entry(lower).or_insert_with(|| {
                entries.push(Entry {
                    name: name.to_owned(),
                    lower: characters,
                });
                entries.len() - 1
            });
        }
        FuzzySet {
            exact,
            trigrams: GramIndex::new(&entries),
            bigrams: GramIndex::new(&entries),
            chars_max: entries
                .iter()
                .map(|entry| entry.lower.len())
                .max()
                .unwrap_or(0),
            entries,
        }
    }

    /// The names that score at least `score_min`, best first.
    pub(crate) fn get(&self, name: &str, score_min: f64) -> Vec<FuzzyMatch<'_>> {
        let lower = name.to_lowercase();
        if let Some(&index) = self.exact.get(&lower) {
            let name = &self.entries[index].name;
            return vec![FuzzyMatch { score: 1.0, name }];
        }
        let lower: Vec<char> = lower.chars().collect();
        // Each surplus character is one edit, so nothing can score enough. It also keeps a name
        // of thousands of characters from the quadratic edit distance.
        if lower.len() as f64 * score_min > self.chars_max as f64 {
            return Vec::new();
        }
        let matches = self.rank(&lower, self.trigrams.candidates(&lower), score_min);
        if matches.is_empty() {
            self.rank(&lower, self.bigrams.candidates(&lower), score_min)
        } else {
            matches
        }
    }

    /// The best of [`get`](FuzzySet::get).
    pub(crate) fn get_one(&self, name: &str, score_min: f64) -> Option<&str> {
        self.get(name, score_min).first().map(|found| found.name)
    }

    fn rank(&self, lower: &[char], candidates: Vec<usize>, score_min: f64) -> Vec<FuzzyMatch<'_>> {
        let mut matches: Vec<FuzzyMatch> = candidates
            .into_iter()
            .map(|index| FuzzyMatch {
                score: similarity(lower, &self.entries[index].lower),
                name: &self.entries[index].name,
            })
            .filter(|found| found.score >= score_min)
            .collect();
        // The sort is stable: among equals, the greater cosine stays first.
        matches.sort_by(|a, b| b.score.total_cmp(&a.score));
        matches
    }
}

impl<const N: usize> GramIndex<N> {
    fn new(entries: &[Entry]) -> GramIndex<N> {
        let mut index = GramIndex {
            entries: HashMap::new(),
            magnitudes: Vec::with_capacity(entries.len()),
        };
        for (number, entry) in entries.iter().enumerate() {
            let counts = gram_counts(&entry.lower);
            index.magnitudes.push(magnitude(&counts));
            for (gram, count) in counts {
                index.entries.entry(gram).or_default().push((number, count));
            }
        }
        index
    }

    /// The entries that share a piece with the name, the greatest cosines first.
    fn candidates(&self, lower: &[char]) -> Vec<usize> {
        let counts = gram_counts::<N>(lower);
        let mut products: HashMap<usize, u32> = HashMap::new();
        for (gram, count) in &counts {
            for (entry, entry_count) in self.entries.get(gram).into_iter().flatten() {
                *products.entry(*entry).or_default() += count * entry_count;
            }
        }
        let length = magnitude(&counts);
        let mut cosines: Vec<(f64, usize)> = products
            .into_iter()
            .map(|(entry, product)| {
                let cosine = f64::from(product) / (length * self.magnitudes[entry]);
                (cosine, entry)
            })
            .collect();
        cosines.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        cosines.truncate(CANDIDATES_MAX);
        cosines.into_iter().map(|(_, entry)| entry).collect()
    }
}

/// How often each piece of `N` characters stands in the name, between two hyphens and without
/// anything but letters, digits, blanks and commas.
fn gram_counts<const N: usize>(lower: &[char]) -> HashMap<[char; N], u32> {
    let is_word = |c: &char| c.is_alphanumeric() || c.is_whitespace() || *c == ',';
    let mut text = vec!['-'];
    text.extend(lower.iter().copied().filter(is_word));
    text.push('-');
    let mut counts = HashMap::new();
    for window in text.windows(N) {
        let gram: [char; N] = window.try_into().expect("a window of N holds N");
        *counts.entry(gram).or_default() += 1;
    }
    counts
}

fn magnitude<const N: usize>(counts: &HashMap<[char; N], u32>) -> f64 {
    let squares = counts.values().map(|&count| u64::from(count).pow(2));
    (squares.sum::<u64>() as f64).sqrt()
}

/// The share of characters that need no edit.
fn similarity(a: &[char], b: &[char]) -> f64 {
    let length = a.len().max(b.len());
    if length == 0 {
        return 1.0;
    }
    (length - edit_distance(a, b)) as f64 / length as f64
}

/// Levenshtein's distance, with one row of its table at a time.
fn edit_distance(a: &[char], b: &[char]) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (above, from) in a.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = above + 1;
        for (left, to) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(from != to);
            diagonal = row[left + 1];
            row[left + 1] = replaced.min(diagonal + 1).min(row[left] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(names: &[&str], query: &str, score_min: f64, expected: Option<&str>) {
        let set = FuzzySet::new(names.iter().copied());
        assert_eq!(set.get_one(query, score_min), expected, "{query}");
    }

    #[test]
    fn edits_are_counted_by_character() {
        let chars = |text: &str| text.chars().collect::<Vec<char>>();
        for (a, b, distance) in [
            ("", "", 0),
            ("abc", "", 3),
            ("", "abc", 3),
            ("kitten", "sitting", 3),
            ("flaw", "lawn", 2),
            ("日本", "日木", 1),
        ] {
            assert_eq!(edit_distance(&chars(a), &chars(b)), distance, "{a} {b}");
        }
        assert_eq!(similarity(&chars("projecxx"), &chars("projects")), 0.75);
    }

    #[test]
    fn grams_are_of_the_word_characters_between_hyphens() {
        let lower: Vec<char> = "a_a a".chars().collect();
        let mut counts: Vec<(String, u32)> = gram_counts::<2>(&lower)
            .into_iter()
            .map(|(gram, count)| (gram.iter().collect(), count))
            .collect();
        counts.sort();
        let expected = [(" a", 1), ("-a", 1), ("a ", 1), ("a-", 1), ("aa", 1)];
        assert_eq!(
            counts,
            expected.map(|(gram, count)| (gram.to_owned(), count))
        );
        assert!(gram_counts::<3>(&[]).is_empty());
    }

    #[test]
    fn the_nearest_name_wins() {
        let names = ["projects", "project_invoices", "projects_view", "clients"];
        check(&names, "projectx", 0.75, Some("projects"));
        check(&names, "projecxx", 0.75, Some("projects"));
        check(&names, "projxxxx", 0.75, None);
        check(&names, "projects_vieww", 0.75, Some("projects_view"));
        check(&names, "", 0.75, None);
        check(&[], "projects", 0.75, None);
    }

    #[test]
    fn case_does_not_count() {
        check(&["Projects"], "pROJECTS", 0.75, Some("Projects"));
        check(&["Projects"], "pROJECTx", 0.75, Some("Projects"));
        check(&["items", "Items"], "iTEMS", 0.75, Some("Items"));
    }

    #[test]
    fn two_characters_in_common_are_enough_when_three_are_not() {
        check(&["xabyz"], "qabvz", 0.5, Some("xabyz"));
        // Two of five characters are right, but no two in a row.
        check(&["xaybz"], "qavbw", 0.3, None);
    }

    #[test]
    fn lists_of_parameters_are_compared_as_text() {
        let lists = ["(name, param, val)", "(attr, id)"];
        check(&lists, "(nam, pqaram, vall)", 0.33, Some(lists[0]));
        check(&lists, "(param, val)", 0.33, Some(lists[0]));
        check(&lists, "(attrs, id)", 0.33, Some(lists[1]));
        check(&lists, "(id)", 0.33, Some(lists[1]));
        check(&lists, "(noclosealternative)", 0.33, None);
    }

    #[test]
    fn the_scores_of_all_matches_are_told() {
        let set = FuzzySet::new(["roles", "role_types", "actors"]);
        let exact = set.get("roles", 0.33);
        assert_eq!(exact.len(), 1);
        assert_eq!(exact[0].score, 1.0);
        let names: Vec<&str> = set.get("role", 0.33).iter().map(|m| m.name).collect();
        assert_eq!(names, ["roles", "role_types"]);
    }

    #[test]
    fn a_name_too_long_to_match_is_refused_at_once() {
        let set = FuzzySet::new(["projects"]);
        assert_eq!(set.get_one(&"projects".repeat(100_000), 0.75), None);
        assert_eq!(set.get_one("projectsxx", 0.75), Some("projects"));
        assert_eq!(set.get_one("projectsxxx", 0.75), None);
    }
}
