import { z } from "zod";

/** Host, provider and client names: they become parts of resource, container and metric names. */
export const Name = z
  .string()
  .regex(/^[a-z][a-z0-9_-]{0,39}$/, "must be 1 to 40 small letters, digits, _ or -, beginning with a letter");

export const Port = z.int().min(1, "must be a port from 1 to 65535").max(65535, "must be a port from 1 to 65535");

/** An image reference with a tag or a digest: what runs must be said, not left to `latest`. */
export const Image = z
  .string()
  .regex(
    /^[a-z0-9./:_-]+(:[A-Za-z0-9._-]+|@sha256:[0-9a-f]{64})$/,
    "must be an image with a tag or digest, as docker.io/library/redis:7.0.15",
  )
  .refine((image) => !/:(latest|main|main-stable)$/.test(image), "must name a version: this tag moves");

export const MemoryMiB = z.int().min(64, "must be at least 64 MiB");

/** What a client may ask for: printable, without spaces, as `llama3.1:8b` or `org/model`. */
export const ModelName = z
  .string()
  .regex(
    /^[A-Za-z0-9][A-Za-z0-9._:/@+-]{0,127}$/,
    "must be a model's name: up to 128 letters, digits and . _ : / @ + -, without spaces",
  );

export const Dollars = z.number().min(0, "must be 0 or more US dollars");

/** A length of time as LiteLLM writes it: `30s`, `10m`, `1h`, `1d`, `30d`. */
export const Period = z.string().regex(/^[1-9][0-9]{0,3}[smhd]$/, "must be a number with s, m, h or d, as 30d");
