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
