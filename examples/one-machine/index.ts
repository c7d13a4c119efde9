// The same program; only the settings beside this file are its own.
export * from "../../index.ts";
