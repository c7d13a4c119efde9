/** A reference with its registry and path said in full: `redis:7` → `docker.io/library/redis:7`. */
export function fullName(image: string): string {
  const [first = ""] = image.split("/");
  if (!image.includes("/")) return `docker.io/library/${image}`;
  return first.includes(".") || first.includes(":") || first === "localhost" ? image : `docker.io/${image}`;
}

/** Where an image is pulled from: a mirror serves it under its full name. */
export const mirrored = (image: string, mirror?: string) => (mirror ? `${mirror}/${fullName(image)}` : image);
