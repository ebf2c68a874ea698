import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { explainConnectFailure } from "../../../src/connection/connect_failure.ts";
import { ReplyError } from "../../../mod.ts";

function explain(error: Error): string {
  return explainConnectFailure(error, 1000, "127.0.0.1:6379").message;
}

function failed(code: string, message: string): Error {
  return Object.assign(new Error(message), { code });
}

const AUTHORITY = "its authority belongs into ca_file of the TLS settings";
const NAME = "check the host, and server_name of the TLS settings";

/** What the runtime says of certificates, and which setting decides. */
const CERTIFICATES: readonly (readonly [error: Error, hint: string | undefined])[] = [
  [failed("DEPTH_ZERO_SELF_SIGNED_CERT", "self-signed certificate"), AUTHORITY],
  [
    failed("SELF_SIGNED_CERT_IN_CHAIN", "self-signed certificate in certificate chain"),
    AUTHORITY,
  ],
  [new Error("invalid peer certificate: UnknownIssuer"), AUTHORITY],
  [
    failed(
      "ERR_TLS_CERT_ALTNAME_INVALID",
      "Hostname/IP does not match certificate's altnames: IP: 10.0.0.7 is not in the cert's list: ",
    ),
    NAME,
  ],
  [
    new Error(
      'invalid peer certificate: certificate not valid for name "redis.internal"',
    ),
    NAME,
  ],
  [failed("CERT_HAS_EXPIRED", "certificate has expired"), undefined],
  // Deno 2.8 says this of every bad certificate.
  [
    failed(
      "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
      "unable to verify the first certificate",
    ),
    undefined,
  ],
];

Deno.test("the error of a refused certificate names the setting to check", () => {
  for (const [error, hint] of CERTIFICATES) {
    const said = explain(error);
    assert(!said.endsWith(": "), said);
    if (hint === undefined) assertEquals(said, error.message);
    else assertStringIncludes(said, `; ${hint}`);
  }
});

Deno.test("the error of NOAUTH says that a password is missing", () => {
  for (
    const text of [
      "NOAUTH Authentication required.",
      "NOAUTH HELLO must be called with the client already authenticated, otherwise the " +
      "HELLO AUTH <user> <pass> option can be used to authenticate the client and select " +
      "the RESP protocol version at the same time",
    ]
  ) {
    const said = explain(new ReplyError(text));
    assertEquals(said, "NOAUTH: the server wants a password, and got none");
  }
  const wrong = "WRONGPASS invalid username-password pair or user is disabled.";
  assertEquals(explain(new ReplyError(wrong)), wrong);
});
