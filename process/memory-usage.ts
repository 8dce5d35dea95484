// What memory this process uses, also while it may open no more files: Node reads a file to find out.

let last = process.memoryUsage();

/** In bytes; what was read last where it cannot be read now. */
export function memoryUsage(): NodeJS.MemoryUsage {
  try {
    last = process.memoryUsage();
  } catch {
    // EMFILE or ENFILE: whoever asks how this process is should hear of it all the same.
  }
  return last;
}
