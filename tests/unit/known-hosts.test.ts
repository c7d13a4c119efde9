import { createHmac } from "node:crypto";
import { expect, test } from "@jest/globals";
import { pinnedKey } from "../../config/known-hosts.ts";

const salt = Buffer.from("0123456789abcdef0123");
const hashed = `|1|${salt.toString("base64")}|${createHmac("sha1", salt).update("10.0.0.9").digest("base64")}`;
const FILE = `# comment
10.0.0.1 ssh-ed25519 ED1
10.0.0.1,alias ecdsa-sha2-nistp256 EC1
10.0.0.1 ssh-rsa RSA1
[10.0.0.1]:2200 ssh-ed25519 ED2200
@revoked 10.0.0.5 ssh-ed25519 GONE
${hashed} ssh-ed25519 EDH
10.0.0.7 sk-odd ODD
broken line
`;

test.each([
  ["10.0.0.1", 22, "ecdsa-sha2-nistp256 EC1"], // the kind that is asked for first
  ["alias", 22, "ecdsa-sha2-nistp256 EC1"],
  ["ALIAS", 22, "ecdsa-sha2-nistp256 EC1"],
  ["10.0.0.1", 2200, "ssh-ed25519 ED2200"],
  ["10.0.0.9", 22, "ssh-ed25519 EDH"],
  ["10.0.0.7", 22, "sk-odd ODD"],
  ["10.0.0.5", 22, undefined],
  ["10.0.0.8", 22, undefined],
])("the pinned key of %s:%d", (address, port, expected) => expect(pinnedKey(FILE, address, port)).toBe(expected));
