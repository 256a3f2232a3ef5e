import { spawn, type ChildProcess } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";

const binary =
  process.env.EMBERLINE_BIN ?? path.resolve(import.meta.dirname, "../../target/release/emberline");

/** A release server on a free port, with a data folder of its own. */
export class Server {
  /** Created by the first start, because Playwright also loads test files without running them. */
  private dataDir = "";
  /** Log lines of level WARN or above; a test clears those that it provokes. */
  warnings: string[] = [];
  url = "";
  private process?: ChildProcess;

  /** Starts it, on the same port again if it ran before, and waits for its address. */
  async start(...args: string[]): Promise<void> {
    this.dataDir ||= mkdtempSync(path.join(tmpdir(), "emberline-e2e-"));
    const port = this.url ? new URL(this.url).port : "0";
    const child = spawn(
      binary,
      ["serve", "--listen", `127.0.0.1:${port}`, "--data-dir", this.dataDir, ...args],
      { stdio: ["ignore", "pipe", "pipe"] },
    );
    this.process = child;
    createInterface({ input: child.stderr }).on("line", (line) => {
      if (/\b(WARN|ERROR)\b/.test(line)) this.warnings.push(line);
    });
    this.url = await new Promise((resolve, reject) => {
      child.once("error", reject);
      child.once("exit", (code) => reject(new Error(`the server ended with status ${code}: ${this.warnings.join("\n")}`)));
      createInterface({ input: child.stdout }).on("line", (line) => {
        const address = /http:\/\/\S+/.exec(line)?.[0];
        if (address) resolve(address);
      });
    });
  }

  /** Stops it (SIGTERM by default), waits for the exit and returns its status. */
  async stop(signal: NodeJS.Signals = "SIGTERM"): Promise<number | null> {
    const child = this.process;
    if (!child || child.exitCode !== null || child.signalCode !== null) return child?.exitCode ?? null;
    const ended = new Promise<number | null>((resolve) => child.once("exit", resolve));
    child.kill(signal);
    return ended;
  }

  /** Removes its data folder. */
  clean(): void {
    if (this.dataDir) rmSync(this.dataDir, { recursive: true, force: true });
    this.dataDir = "";
  }
}
