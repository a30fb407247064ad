/** A fresh idempotency key: a repeated request with the same key makes no second job. */
export function freshKey(): string {
  // crypto.randomUUID exists on https and localhost only; a lab may be reached over plain http on its own network.
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** One key for the same work, as long as the returned function lives: a second click, or a try after a lost answer, finds the first one's job. */
export function keyring(): (work: string) => string {
  const keys = new Map<string, string>();
  return (work) => {
    const key = keys.get(work) ?? freshKey();
    keys.set(work, key);
    return key;
  };
}
