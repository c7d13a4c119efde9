/** Stands in for ssh2 in the docker plugin's bundle: it reaches hosts by the `ssh` program. */
export class Client {}
