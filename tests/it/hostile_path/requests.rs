//! What is asked of the shop, and what of `public` each request may call: operators that the client
//! asks for, and those between keys.

/// A request, and what of `public` it may call.
pub(super) struct Asked {
    pub(super) method: &'static str,
    pub(super) target: &'static str,
    pub(super) headers: &'static [(&'static str, &'static str)],
    pub(super) body: &'static str,
    /// With `pg_catalog` before `public`.
    pub(super) behind: &'static [&'static str],
    /// With `public` before `pg_catalog`.
    pub(super) before: &'static [&'static str],
}

const fn get(target: &'static str) -> Asked {
    Asked {
        method: "GET",
        target,
        headers: &[],
        body: "",
        behind: &[],
        before: &[],
    }
}

const fn ask(method: &'static str, target: &'static str, body: &'static str) -> Asked {
    Asked {
        method,
        body,
        headers: &[("Content-Type", "application/json"), RETURN, ROLL_BACK],
        ..get(target)
    }
}

/// A request that may call these, behind and before `pg_catalog`.
const fn by_path(
    asked: Asked,
    behind: &'static [&'static str],
    before: &'static [&'static str],
) -> Asked {
    Asked {
        behind,
        before,
        ..asked
    }
}

const RETURN: (&str, &str) = ("Prefer", "return=representation,count=exact");
const ROLL_BACK: (&str, &str) = ("Prefer", "tx=rollback");
const JSON: (&str, &str) = ("Content-Type", "application/json");

const ACCEPT_OBJECT: (&str, &str) = ("Accept", "application/vnd.pgrst.object+json");

pub(super) const REQUESTS: &[Asked] = &[
    Asked {
        headers: &[],
        ..ask("POST", "/rpc/litter", "")
    },
    get("/"),
    get("/items?order=id"),
    get("/items?select=id,name,label,price&order=name.desc.nullslast&limit=2&offset=1"),
    Asked {
        method: "HEAD",
        headers: &[("Prefer", "count=exact")],
        ..get("/items?limit=1&order=id")
    },
    Asked {
        headers: &[("Prefer", "count=planned")],
        ..get("/items?limit=1&order=id")
    },
    Asked {
        headers: &[("Prefer", "count=estimated,timezone=Asia/Tokyo")],
        ..get("/items?select=id,added&order=id&limit=2")
    },
    get("/items?select=id,facts->a->>b,paper->a&order=facts->a->b,id"),
    get("/items?select=id,tags->0,numbers->>1&order=id"),
    by_path(
        get("/items?select=name,shelves(name),shelf_mates(name)&order=id"),
        &[],
        &["=(integer, integer)"],
    ),
    by_path(
        get("/items?select=name,...shelves(shelf:name)&order=id"),
        &[],
        &["=(integer, integer)"],
    ),
    by_path(
        get("/makers?select=name,items(name)&order=name"),
        &["=(character varying, character varying)"],
        &["=(character varying, character varying)"],
    ),
    by_path(
        get("/items?select=name,...makers!inner(maker_name:name)&order=id"),
        &["=(character varying, character varying)"],
        &["=(character varying, character varying)"],
    ),
    by_path(
        get("/items?select=id,makers(name)&order=makers(name),id"),
        &["=(character varying, character varying)"],
        &["=(character varying, character varying)"],
    ),
    get("/deeds?select=shelf_id,places(item_id,items(name))"),
    by_path(
        get("/items?select=size,price.max(),count()&order=size"),
        &[],
        &["max(numeric)"],
    ),
    by_path(
        get("/items?select=id::float8&order=id"),
        &[],
        &["type float8"],
    ),
    by_path(get("/items?id=eq.1"), &[], &["=(integer, integer)"]),
    by_path(
        get("/items?id=in.(1,2)&order=id"),
        &[],
        &["=(integer, integer)"],
    ),
    by_path(
        get("/items?maker=eq.ACME"),
        &["=(character varying, character varying)"],
        &["=(character varying, character varying)"],
    ),
    by_path(
        get("/items?maker=in.(ACME,BOLT)&order=id"),
        &["=(character varying, character varying)"],
        &["=(character varying, character varying)"],
    ),
    by_path(
        get("/items?maker=isdistinct.ACME&order=id"),
        &["=(character varying, character varying)"],
        &["=(character varying, character varying)"],
    ),
    get("/items?maker=is.null"),
    by_path(
        get("/items?name=like.H*&or=(id.lt.5,id.gt.7)&id=not.eq.9"),
        &[],
        &[
            "~~(text, text)",
            "<(integer, integer)",
            "=(integer, integer)",
        ],
    ),
    by_path(
        get("/items?tags=cs.{steel}&order=id"),
        &["@>(text[], text[])"],
        &["@>(text[], text[])"],
    ),
    by_path(
        get("/items?numbers=ov.{1}&order=id"),
        &["&&(integer[], integer[])"],
        &["&&(integer[], integer[])"],
    ),
    by_path(get("/items?facts->a->>b=eq.1"), &[], &["=(text, text)"]),
    by_path(
        get("/items?words=fts.steel&order=id"),
        &[],
        &["@@(tsvector, tsquery)"],
    ),
    by_path(
        get("/items?words=wfts(simple).steel&order=id"),
        &[],
        &["@@(tsvector, tsquery)"],
    ),
    by_path(
        get("/items?name=plfts(simple).hammer&order=id"),
        &[],
        &["@@(tsvector, tsquery)"],
    ),
    Asked {
        headers: &[ACCEPT_OBJECT],
        ..get("/items?limit=1&order=id")
    },
    Asked {
        headers: &[ACCEPT_OBJECT],
        ..get("/items")
    },
    Asked {
        headers: &[("Accept", "application/vnd.pgrst.array+json;nulls=stripped")],
        ..get("/items?order=id")
    },
    Asked {
        headers: &[("Accept", "text/csv")],
        ..get("/items?order=id")
    },
    Asked {
        headers: &[("Accept", "application/vnd.pgrst.plan+json; options=verbose")],
        ..get("/items?order=id")
    },
    Asked {
        headers: &[(
            "Accept",
            "application/vnd.pgrst.plan; options=analyze|settings",
        )],
        method: "HEAD",
        ..get("/makers?order=code")
    },
    Asked {
        method: "OPTIONS",
        ..get("/items")
    },
    get("/nothing_there"),
    get("/items?select=nothing_there"),
    ask(
        "POST",
        "/items",
        r#"{"id": 50, "name": "Saw", "maker": "ACME", "facts": {"b": [1]}}"#,
    ),
    ask(
        "POST",
        "/items?columns=id,name",
        r#"[{"id": 50, "name": "Saw"}, {"id": 51, "name": "Awl"}]"#,
    ),
    ask("POST", "/items", "{}"),
    ask("POST", "/items", "[{}, {}]"),
    Asked {
        headers: &[
            JSON,
            ("Prefer", "return=representation,missing=default"),
            ROLL_BACK,
        ],
        before: &["nextval(regclass)"],
        ..ask(
            "POST",
            "/items?columns=id,price,paper",
            r#"[{"id": 52}, {"id": 53, "price": 2}]"#,
        )
    },
    Asked {
        headers: &[
            JSON,
            ("Prefer", "return=representation,missing=default"),
            ROLL_BACK,
        ],
        before: &["nextval(regclass)"],
        ..ask("POST", "/items?columns=id,price,added", r#"{"id": 52}"#)
    },
    Asked {
        headers: &[JSON, ("Prefer", "return=headers-only"), ROLL_BACK],
        ..ask("POST", "/items", r#"{"id": 54, "name": "Saw"}"#)
    },
    Asked {
        headers: &[
            JSON,
            (
                "Prefer",
                "return=representation,resolution=merge-duplicates",
            ),
            ROLL_BACK,
        ],
        ..ask(
            "POST",
            "/items",
            r#"[{"id": 1, "name": "Saw"}, {"id": 55, "name": "Axe"}]"#,
        )
    },
    Asked {
        headers: &[
            JSON,
            (
                "Prefer",
                "return=representation,resolution=ignore-duplicates",
            ),
            ROLL_BACK,
        ],
        ..ask("POST", "/makers", r#"[{"code": "ACME", "name": "Saw"}]"#)
    },
    Asked {
        headers: &[("Content-Type", "text/csv"), RETURN, ROLL_BACK],
        ..ask("POST", "/shelves", "id,name\n7,Top\n8,NULL\n")
    },
    by_path(
        ask("PUT", "/shelves?id=eq.9", r#"{"id": 9, "name": "Low"}"#),
        &[],
        &["=(integer, integer)"],
    ),
    by_path(
        ask(
            "PUT",
            "/makers?code=eq.ACME",
            r#"{"code": "ACME", "name": "Low"}"#,
        ),
        &["=(character varying, character varying)"],
        &["=(character varying, character varying)"],
    ),
    by_path(
        ask(
            "PATCH",
            "/items?id=eq.1",
            r#"{"name": "Saw", "price": 7, "tags": ["a", "b"], "paper": [1]}"#,
        ),
        &[],
        &["=(integer, integer)"],
    ),
    by_path(
        ask(
            "PATCH",
            "/items?id=lt.2&select=id,makers(name)",
            r#"{"maker": null}"#,
        ),
        &["=(character varying, character varying)"],
        &[
            "<(integer, integer)",
            "=(character varying, character varying)",
        ],
    ),
    ask("PATCH", "/items?id=eq.1", "{}"),
    Asked {
        headers: &[
            JSON,
            ("Prefer", "handling=strict,max-affected=1"),
            ROLL_BACK,
        ],
        before: &[">(integer, integer)"],
        ..ask("PATCH", "/shelves?id=gt.0", r#"{"name": "Saw"}"#)
    },
    Asked {
        headers: &[JSON, ACCEPT_OBJECT, RETURN],
        before: &[">(integer, integer)"],
        ..ask("PATCH", "/shelves?id=gt.0", r#"{"name": "Saw"}"#)
    },
    by_path(
        ask("DELETE", "/places?item_id=eq.2&select=*,items(name)", ""),
        &[],
        &["=(integer, integer)"],
    ),
    Asked {
        headers: &[],
        ..ask("PATCH", "/shelves?id=eq.1", "{}")
    },
    get("/rpc/add?a=1&b=2"),
    ask("POST", "/rpc/add", r#"{"a": 1, "b": 2}"#),
    ask("POST", "/rpc/greet", r#"{"name": "you"}"#),
    get("/rpc/greet?name=you"),
    get("/rpc/numbers_to?n=3"),
    by_path(
        get("/rpc/item?id=1&select=id,name,shelves(name)"),
        &[],
        &["=(integer, integer)"],
    ),
    Asked {
        headers: &[("Prefer", "count=exact")],
        ..get("/rpc/cheap?below=10&limit=1&order=id")
    },
    Asked {
        headers: &[("Accept", "text/csv")],
        ..get("/rpc/cheap?below=10&order=id&select=id,tags")
    },
    get("/rpc/count_all?words=a&words=b"),
    ask("POST", "/rpc/count_all", r#"{"words": ["a", "b", "c"]}"#),
    ask("POST", "/rpc/keep", r#"{"a": [1]}"#),
    ask("POST", "/rpc/nothing", ""),
    Asked {
        headers: &[("Accept", "application/vnd.pgrst.plan+json")],
        ..get("/rpc/add?a=1&b=2")
    },
];
