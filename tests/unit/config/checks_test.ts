import { assertEquals } from "@std/assert";
import { configOf, onlyProblem, problemsOf } from "./support.ts";

/** YAML whose settings contradict each other, and the complaint. */
const CONTRADICTIONS: [yaml: string, complaint: string][] = [
  [
    "databases: {a: {mode: sentinel, nodes: ['s:1']}}",
    "yaml text:1:23: databases.a.sentinel_name: mode sentinel needs sentinel_name, the " +
    "name of the primary",
  ],
  [
    "databases: {a: {mode: sentinel, sentinel_name: m}}",
    "yaml text:1:23: databases.a.nodes: mode sentinel needs nodes, the sentinels",
  ],
  [
    "databases: {a: {mode: cluster, unix_socket: /r}}",
    "yaml text:1:45: databases.a.unix_socket: mode cluster cannot use a Unix socket",
  ],
  [
    "databases: {a: {max_connections: 3, min_connections: 4}}",
    "yaml text:1:54: databases.a.min_connections: min_connections 4 is more than " +
    "max_connections 3",
  ],
  [
    "databases: {a: {max_connections: 3, max_lanes: 4}}",
    "yaml text:1:48: databases.a.max_lanes: max_lanes 4 is more than max_connections 3",
  ],
  [
    "databases: {a: {connect_retry: {min: 5, max: 2}}}",
    "yaml text:1:38: databases.a.connect_retry.min: connect_retry.min 5 s is more than " +
    "connect_retry.max 2 s",
  ],
  [
    "databases: {a: {connect_retry: {max: 1}}}",
    "yaml text:1:38: databases.a.connect_retry.min: connect_retry.min 2 s is more than " +
    "connect_retry.max 1 s",
  ],
  [
    "databases: {a: {host: h, unix_socket: /r}}",
    "yaml text:1:39: databases.a.unix_socket: host and unix_socket are both given; leave " +
    "one out",
  ],
  [
    "databases: {a: {url: redis://h, host: h2}}",
    "yaml text:1:22: databases.a.url: the url and host contradict each other",
  ],
  [
    "databases: {a: {tls: {enabled: false}, url: rediss://h}}",
    "yaml text:1:45: databases.a.url: the url and tls.enabled contradict each other",
  ],
  [
    "databases: {a: {tls: {cert_file: /c}}}",
    "yaml text:1:34: databases.a.tls.cert_file: tls.key_file is missing; the two belong " +
    "together",
  ],
  [
    "databases: {a: {tls: {key_file: /k}}}",
    "yaml text:1:33: databases.a.tls.key_file: tls.cert_file is missing; the two belong " +
    "together",
  ],
  [
    "databases: {a: {alias_of: b}}",
    'yaml text:1:27: databases.a.alias_of: there is no database "b"',
  ],
  [
    "databases: {main: , a: {alias_of: mian}}",
    'yaml text:1:35: databases.a.alias_of: there is no database "mian"; did you mean ' +
    '"main"?',
  ],
  [
    "databases: {a: {alias_of: a}}",
    'yaml text:1:27: databases.a.alias_of: "a" leads back to itself',
  ],
  [
    "databases: {a: {alias_of: b, db: 1}, b: {db: 2}}",
    'yaml text:1:27: databases.a.alias_of: "b" is number 2 on localhost:6379, this is ' +
    "number 1 on localhost:6379; leave out what differs",
  ],
  [
    "databases: {a: {min_connections: 4}, b: {min_connections: 5}}\n" +
    "max_total_connections: 8",
    "yaml text:2: max_total_connections: found 8, but min_connections of all databases is 9",
  ],
];

Deno.test("load() refuses settings that contradict each other, at the one that does", () => {
  for (const [yaml, complaint] of CONTRADICTIONS) {
    assertEquals(onlyProblem(() => configOf(yaml)), complaint, yaml);
  }
});

Deno.test("load() says what is wrong with a value for all once, not for each database", () => {
  const yaml = "databases: {a: , b: , c: }\nmin_connections: 30";
  assertEquals(problemsOf(() => configOf(yaml)).length, 1);
});

/** YAML that is allowed but probably not meant, and the warning. */
const DOUBTFUL: [yaml: string, warning: string][] = [
  [
    "databases: {a: {health_check_interval: 60, idle_timeout: 30}}",
    "database a: health_check_interval 60 s is longer than idle_timeout 30 s: idle " +
    "connections end before a heartbeat",
  ],
  [
    "databases: {a: {nodes: ['s:1']}}",
    "database a: nodes have no effect in mode standalone; set mode",
  ],
  [
    "databases: {a: {sentinel_name: m}}",
    "database a: sentinel_name has no effect in mode standalone",
  ],
  [
    "databases: {a: {tls: {ca_file: /ca.pem}}}",
    "database a: tls has settings but is not enabled: nothing is encrypted",
  ],
  [
    "databases: {a: {tls: {enabled: true, verify: false}}}",
    "database a: tls.verify is false: the server's certificate is not verified, anybody " +
    "in between can read and change everything",
  ],
  [
    "databases: {a: {tls: {enabled: true}, unix_socket: /r}}",
    "database a: tls has no effect on a Unix socket",
  ],
  [
    "databases: {a: {url: 'redis://:pw@redis.test'}}",
    "database a: the password (yaml text:1) goes to redis.test:6379 without TLS: anybody " +
    "in between can read it; use rediss:// or tls.enabled",
  ],
  [
    "databases: {a: , b: , c: , d: , e: , f: , g: }\npassword: x\nhost: '2001:db8::1'",
    "databases a, b, c, d, e and 2 more: the password (yaml text:2) goes to " +
    "[2001:db8::1]:6379 without TLS: anybody in between can read it; use rediss:// or " +
    "tls.enabled",
  ],
];

Deno.test("load() warns of what is allowed but probably not meant", () => {
  for (const [yaml, warning] of DOUBTFUL) {
    const warnings = configOf(yaml).warnings.filter((one) =>
      !one.includes("share number")
    );
    assertEquals(warnings, [warning], yaml);
  }
});

Deno.test("load() does not warn where all is well", () => {
  for (
    const yaml of [
      "databases: {a: {socket_timeout: 1, socket_connect_timeout: 5}}",
      "databases: {a: {health_check_interval: 0, idle_timeout: 1}}",
      "databases: {a: {url: 'redis://:pw@127.0.0.1'}}",
      "databases: {a: {url: 'redis://:pw@localhost'}}",
      "databases: {a: {url: 'redis://:pw@[::1]'}}",
      "databases: {a: {url: 'rediss://:pw@redis.test'}}",
      "databases: {a: {unix_socket: /r, password: pw}}",
      "databases: {a: {mode: cluster, host: localhost, password: pw}}",
    ]
  ) assertEquals(configOf(yaml).warnings, [], yaml);
});

Deno.test("load() gives a cluster without nodes its host, and number 0", () => {
  const { sessions } = configOf(
    "databases: {sessions: {mode: cluster, host: c, port: 7000}}",
  ).databases;
  assertEquals(sessions!.nodes, [{ host: "c", port: 7000 }]);
  assertEquals(sessions!.db, 0);
});

Deno.test("load() says only that a file cannot be read, not what would follow from that", () => {
  const overrides = { databases: { twin: { aliasOf: "main" } } };
  assertEquals(
    onlyProblem(() => configOf("databases: {main: ", {}, overrides)).replace(
      /:\d+:\d+/,
      "",
    ),
    "yaml text: databases.main: this is not valid YAML",
  );
});
