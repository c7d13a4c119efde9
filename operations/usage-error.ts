/** A mistake of the one who called: one line, no stack. */
export class UsageError extends Error {}
