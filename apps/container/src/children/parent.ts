/** The IPC channel to main, seen from a child process. */
export interface Parent<Incoming, Outgoing> {
  readonly send: (message: Outgoing) => void;
  /** Messages that came before the first listener are kept for it. */
  readonly onMessage: (listener: (message: Incoming) => void) => void;
  /** Aborts on SIGTERM, and when main is gone: a child must not live on alone. */
  readonly signal: AbortSignal;
  /** Lets the process end. */
  readonly close: () => void;
}

/** Connects to the process that started this one with an IPC channel. */
export function connectParent<Incoming, Outgoing>(): Parent<Incoming, Outgoing> {
  const stop = new AbortController();
  process.on('SIGTERM', () => stop.abort());
  // Ctrl-C reaches the whole terminal group; main decides when this process is to stop.
  process.on('SIGINT', () => undefined);
  process.on('disconnect', () => stop.abort());
  return {
    signal: stop.signal,
    send(message) {
      // Main may be gone by now; the disconnect event then ends this process.
      process.send?.(message, undefined, {}, () => undefined);
    },
    onMessage(listener) {
      process.on('message', (message) => listener(message as Incoming));
    },
    close() {
      if (process.connected) process.disconnect?.();
    },
  };
}
