//! What a database offers: relations, columns with some of their values, foreign keys, functions.
//!
//! It is read with the `postgres` crate and queries of its own, so that a mistake of the server's
//! own reading is not made here a second time. Everything comes in a fixed order.

use postgres::{Client, Error, NoTls, SimpleQueryMessage};
use std::collections::BTreeMap;

/// A relation is not asked for all of its rows if it may have more than so many.
const FEW_ROWS_MAX: f64 = 500.0;
/// So many rows are looked at for values.
const SAMPLED_ROWS: usize = 20;
/// So many different values of a column are kept.
const SAMPLES_MAX: usize = 3;
/// Longer ones are not: they would be most of a request.
const SAMPLE_CHARS_MAX: usize = 60;
/// A view may take its time, but not for this.
const SAMPLING_LIMIT: &str = "SET statement_timeout = '1s'";

/// A database, as far as it is exposed.
#[derive(Clone, Debug, Default)]
pub struct Catalog {
    /// Its tables and views.
    pub relations: Vec<Relation>,
    /// Its foreign keys.
    pub keys: Vec<ForeignKey>,
    /// Its functions.
    pub functions: Vec<Function>,
}

/// A table or a view.
#[derive(Clone, Debug, Default)]
pub struct Relation {
    /// Its schema.
    pub schema: String,
    /// Its name.
    pub name: String,
    /// Whether all of its rows are few enough for one answer.
    pub is_small: bool,
    /// Its columns.
    pub columns: Vec<Column>,
    /// The columns of its primary key.
    pub key: Vec<String>,
}

/// A column.
#[derive(Clone, Debug, Default)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Its type.
    pub of: Type,
    /// Whether PostgreSQL gives its value in any case.
    pub is_generated: bool,
    /// Some of its values, as text.
    pub samples: Vec<String>,
}

/// A type.
#[derive(Clone, Debug, Default)]
pub struct Type {
    /// Its name, that of its base if it is a domain.
    pub name: String,
    /// `pg_type.typcategory`.
    pub category: String,
    /// The labels of an enum.
    pub labels: Vec<String>,
}

/// A foreign key.
#[derive(Clone, Debug)]
pub struct ForeignKey {
    /// Its name.
    pub name: String,
    /// The relation that has it: schema and name.
    pub from: (String, String),
    /// The relation that it leads to.
    pub to: (String, String),
    /// Its columns there and here.
    pub columns: Vec<String>,
}

/// A function.
#[derive(Clone, Debug)]
pub struct Function {
    /// Its schema.
    pub schema: String,
    /// Its name.
    pub name: String,
    /// Whether it may write.
    pub is_volatile: bool,
    /// The relation whose rows it returns.
    pub returns: Option<(String, String)>,
    /// Its parameters.
    pub parameters: Vec<Parameter>,
    /// How many of them, from the end, have defaults.
    pub defaults: usize,
}

/// What a function takes.
#[derive(Clone, Debug)]
pub struct Parameter {
    /// Its name, which may be empty.
    pub name: String,
    /// Its type.
    pub of: Type,
}

const RELATIONS: &str = "
select c.oid::int8, n.nspname::text, c.relname::text, c.relkind::text, c.reltuples::float8,
       array(select a.attname::text from pg_catalog.pg_constraint k
               join pg_catalog.pg_attribute a
                 on a.attrelid = k.conrelid and a.attnum = any(k.conkey)
              where k.conrelid = c.oid and k.contype = 'p' order by a.attnum)
  from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
 where n.nspname = any($1) and c.relkind in ('r', 'p', 'f', 'v', 'm') and not c.relispartition
 order by n.nspname, c.relname";

const COLUMNS: &str = "
select a.attrelid::int8, a.attname::text, pg_catalog.format_type(b.oid, null), b.typcategory::text,
       array(select e.enumlabel::text from pg_catalog.pg_enum e
              where e.enumtypid = b.oid order by e.enumsortorder),
       a.attgenerated <> '' or a.attidentity = 'a'
  from pg_catalog.pg_attribute a join pg_catalog.pg_type t on t.oid = a.atttypid
  join pg_catalog.pg_type b on b.oid = case t.typtype when 'd' then t.typbasetype else t.oid end
 where a.attrelid = any($1::int8[]::oid[]) and a.attnum > 0 and not a.attisdropped
 order by a.attrelid, a.attnum";

const KEYS: &str = "
select k.conname::text, n.nspname::text, c.relname::text, fn.nspname::text, fc.relname::text,
       array(select a.attname::text from pg_catalog.unnest(k.conkey) with ordinality as p(n, i)
               join pg_catalog.pg_attribute a
                 on a.attrelid = k.conrelid and a.attnum = p.n order by p.i)
  from pg_catalog.pg_constraint k
  join pg_catalog.pg_class c on c.oid = k.conrelid
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  join pg_catalog.pg_class fc on fc.oid = k.confrelid
  join pg_catalog.pg_namespace fn on fn.oid = fc.relnamespace
 where k.contype = 'f' and k.conparentid = 0 and n.nspname = any($1) and fn.nspname = any($1)
 order by 2, 3, 1";

const FUNCTIONS: &str = "
select p.oid::int8, n.nspname::text, p.proname::text, p.provolatile = 'v', p.pronargdefaults::int4,
       rn.nspname::text, rc.relname::text
  from pg_catalog.pg_proc p join pg_catalog.pg_namespace n on n.oid = p.pronamespace
  join pg_catalog.pg_type r on r.oid = p.prorettype
  left join pg_catalog.pg_class rc
    on rc.oid = r.typrelid and rc.relkind in ('r', 'v', 'm', 'p', 'f')
  left join pg_catalog.pg_namespace rn on rn.oid = rc.relnamespace
 where n.nspname = any($1) and p.prokind = 'f'
   and p.prorettype not in ('trigger'::regtype, 'event_trigger'::regtype)
 order by n.nspname, p.proname, p.oid";

const PARAMETERS: &str = "
select p.oid::int8, coalesce(p.proargnames[a.i], ''), pg_catalog.format_type(b.oid, null),
       b.typcategory::text, array(select e.enumlabel::text from pg_catalog.pg_enum e
                                   where e.enumtypid = b.oid order by e.enumsortorder)
  from pg_catalog.pg_proc p
 cross join lateral pg_catalog.unnest(coalesce(p.proallargtypes,
         pg_catalog.string_to_array(p.proargtypes::text, ' ')::oid[])) with ordinality as a(type, i)
  join pg_catalog.pg_type t on t.oid = a.type
  join pg_catalog.pg_type b on b.oid = case t.typtype when 'd' then t.typbasetype else t.oid end
 where p.oid = any($1::int8[]::oid[]) and coalesce(p.proargmodes[a.i], 'i') in ('i', 'b', 'v')
 order by p.oid, a.i";

impl Catalog {
    /// Reads it, by a connection string in either of libpq's syntaxes.
    ///
    /// # Errors
    /// If the database cannot be asked.
    pub fn read(connection: &str, schemas: &[String]) -> Result<Catalog, Error> {
        let mut client = Client::connect(connection, NoTls)?;
        let mut catalog = Catalog {
            relations: relations(&mut client, schemas)?,
            keys: foreign_keys(&mut client, schemas)?,
            functions: functions(&mut client, schemas)?,
        };
        client.batch_execute(SAMPLING_LIMIT)?;
        for relation in &mut catalog.relations {
            relation.take_samples(&mut client);
        }
        Ok(catalog)
    }

    /// The relation of that schema and name.
    pub fn relation(&self, name: &(String, String)) -> Option<&Relation> {
        let mut relations = self.relations.iter();
        relations.find(|relation| relation.schema == name.0 && relation.name == name.1)
    }
}

fn relations(client: &mut Client, schemas: &[String]) -> Result<Vec<Relation>, Error> {
    let rows = client.query(RELATIONS, &[&schemas])?;
    let oids: Vec<i64> = rows.iter().map(|row| row.get(0)).collect();
    let mut columns: BTreeMap<i64, Vec<Column>> = BTreeMap::new();
    for row in client.query(COLUMNS, &[&oids])? {
        columns.entry(row.get(0)).or_default().push(Column {
            name: row.get(1),
            of: Type {
                name: row.get(2),
                category: row.get(3),
                labels: row.get(4),
            },
            is_generated: row.get(5),
            samples: Vec::new(),
        });
    }
    let relation = |row: postgres::Row| {
        let (kind, rows): (String, f64) = (row.get(3), row.get(4));
        Relation {
            schema: row.get(1),
            name: row.get(2),
            // A table that was never analyzed says -1, and of a view nothing is known.
            is_small: kind != "v" && kind != "f" && (0.0..=FEW_ROWS_MAX).contains(&rows),
            columns: columns.remove(&row.get(0)).unwrap_or_default(),
            key: row.get(5),
        }
    };
    Ok(rows.into_iter().map(relation).collect())
}

fn foreign_keys(client: &mut Client, schemas: &[String]) -> Result<Vec<ForeignKey>, Error> {
    let rows = client.query(KEYS, &[&schemas])?;
    let key = |row: postgres::Row| ForeignKey {
        name: row.get(0),
        from: (row.get(1), row.get(2)),
        to: (row.get(3), row.get(4)),
        columns: row.get(5),
    };
    Ok(rows.into_iter().map(key).collect())
}

fn functions(client: &mut Client, schemas: &[String]) -> Result<Vec<Function>, Error> {
    let rows = client.query(FUNCTIONS, &[&schemas])?;
    let oids: Vec<i64> = rows.iter().map(|row| row.get(0)).collect();
    let mut parameters: BTreeMap<i64, Vec<Parameter>> = BTreeMap::new();
    for row in client.query(PARAMETERS, &[&oids])? {
        parameters.entry(row.get(0)).or_default().push(Parameter {
            name: row.get(1),
            of: Type {
                name: row.get(2),
                category: row.get(3),
                labels: row.get(4),
            },
        });
    }
    let function = |row: postgres::Row| {
        let returned: (Option<String>, Option<String>) = (row.get(5), row.get(6));
        Function {
            schema: row.get(1),
            name: row.get(2),
            is_volatile: row.get(3),
            returns: returned.0.zip(returned.1),
            parameters: parameters.remove(&row.get(0)).unwrap_or_default(),
            defaults: usize::try_from(row.get::<_, i32>(4)).unwrap_or(0),
        }
    };
    Ok(rows.into_iter().map(function).collect())
}

impl Relation {
    /// Looks at some rows. One that cannot be read, or not in time, has no samples.
    fn take_samples(&mut self, client: &mut Client) {
        let list: Vec<String> = self.columns.iter().map(Column::as_text).collect();
        let (schema, name) = (quoted(&self.schema), quoted(&self.name));
        let list = list.join(", ");
        let query = format!("select {list} from {schema}.{name} limit {SAMPLED_ROWS}");
        let rows = client.simple_query(&query).unwrap_or_default();
        for message in rows {
            let SimpleQueryMessage::Row(row) = message else {
                continue;
            };
            for (index, column) in self.columns.iter_mut().enumerate() {
                column.keep(row.get(index));
            }
        }
        for column in &mut self.columns {
            // The order of rows is PostgreSQL's business.
            column.samples.sort();
            column.samples.truncate(SAMPLES_MAX);
        }
    }

    /// The names of the columns that rows can be ordered by, those of the key if there is one.
    pub fn order(&self) -> Vec<&str> {
        if !self.key.is_empty() {
            return self.key.iter().map(String::as_str).collect();
        }
        let columns = self.columns.iter().filter(|column| column.of.has_order());
        columns.map(|column| &*column.name).collect()
    }
}

impl Column {
    fn as_text(&self) -> String {
        format!("{}::text", quoted(&self.name))
    }

    fn keep(&mut self, value: Option<&str>) {
        if let Some(value) = value
            && value.chars().count() <= SAMPLE_CHARS_MAX
            && !self.samples.iter().any(|known| known == value)
        {
            self.samples.push(value.to_owned());
        }
    }
}

impl Type {
    /// Whether its values can be compared: what cannot is told by its name, and so is what is
    /// compared in a way that few would guess.
    pub fn has_order(&self) -> bool {
        let without = [
            "json", "xml", "point", "box", "circle", "polygon", "line", "path", "lseg",
        ];
        let name = self.name.trim_end_matches("[]");
        !without.contains(&name) && !matches!(&*self.category, "C" | "G" | "P" | "X")
    }

    /// Whether it is JSON of either kind.
    pub fn is_json(&self) -> bool {
        matches!(&*self.name, "json" | "jsonb")
    }
}

/// A name in SQL.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
