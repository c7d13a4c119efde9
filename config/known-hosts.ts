/** Reads an OpenSSH known_hosts file. Hashed names are understood; certificates are not. */
import { createHmac } from "node:crypto";

interface Entry {
  names: string[];
  type: string;
  key: string;
  marker?: string;
}

/**
 * The kinds in the order in which the plugin that runs remote commands asks a server for
 * its key (golang.org/x/crypto/ssh): where a host has several, this one must be pinned.
 */
const ORDER = ["ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "ssh-rsa", "ssh-ed25519"];

function parse(text: string): Entry[] {
  return text
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "" && !line.startsWith("#"))
    .flatMap((line) => {
      const fields = line.split(/\s+/);
      const marker = fields[0]?.startsWith("@") ? fields.shift() : undefined;
      const [names, type, key] = fields;
      return names && type && key ? [{ names: names.split(","), type, key, ...(marker && { marker }) }] : [];
    });
}

function matches(pattern: string, name: string): boolean {
  const hashed = /^\|1\|([^|]+)\|([^|]+)$/.exec(pattern);
  if (!hashed) return pattern.toLowerCase() === name.toLowerCase();
  return (
    createHmac("sha1", Buffer.from(hashed[1] ?? "", "base64"))
      .update(name)
      .digest("base64") === hashed[2]
  );
}

/** The pinned key of a host, as `type base64`; undefined when the file has none. */
export function pinnedKey(text: string, address: string, port: number): string | undefined {
  const name = port === 22 ? address : `[${address}]:${port}`;
  const keys = parse(text).filter((entry) => !entry.marker && entry.names.some((pattern) => matches(pattern, name)));
  const rank = (entry: Entry) => (ORDER.includes(entry.type) ? ORDER.indexOf(entry.type) : ORDER.length);
  const best = keys.sort((a, b) => rank(a) - rank(b))[0];
  return best && `${best.type} ${best.key}`;
}
