/** Text as one word of a POSIX shell. */
export const shellWord = (text: string) =>
  /^[A-Za-z0-9_./:@+=-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
