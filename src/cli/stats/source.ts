/** Where the numbers come from. */
export interface Source extends AsyncDisposable {
  /** Text metrics, as they are now; the signal ends the look. */
  read(signal?: AbortSignal): Promise<string>;
}
