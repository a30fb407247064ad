/** Lets the browser save something made on the page. */
export function download(content: Blob, name: string): void {
  const address = URL.createObjectURL(content);
  const link = document.createElement('a');
  link.href = address;
  link.download = name;
  link.click();
  // Not at once: some browsers begin to read only after the click has ended.
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}
