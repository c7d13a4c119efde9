/** Marks of clients on their requests: set by the edge, compared by the gateway. */

export const clientTag = (client: string) => `client:${client}`;
/** The mark of a client that may ask for every model. */
export const UNRESTRICTED = "any";
