import { createReadStream, existsSync, statSync } from "node:fs";
import { createServer, request, type IncomingMessage, type Server } from "node:http";
import { connect } from "node:net";
import path from "node:path";
import type { AddressInfo } from "node:net";

const types: Record<string, string> = {
  ".css": "text/css",
  ".html": "text/html",
  ".ico": "image/x-icon",
  ".js": "text/javascript",
  ".svg": "image/svg+xml",
  ".wasm": "application/wasm",
};

const proxied = ["/api/", "/fn/", "/media/", "/ws"];

/** Serves the client-side-rendered bundle and proxies the server's paths, as `trunk serve` does. */
export async function hostCsr(folder: string, port: number, backend: () => string): Promise<Server> {
  const target = (incoming: IncomingMessage) => {
    const { hostname, port } = new URL(backend());
    return { hostname, port: Number(port), path: incoming.url, method: incoming.method, headers: { ...incoming.headers, host: `${hostname}:${port}` } };
  };
  const host = createServer((incoming, outgoing) => {
    const url = new URL(incoming.url ?? "/", "http://host");
    if (proxied.some((prefix) => url.pathname.startsWith(prefix))) {
      const onward = request(target(incoming), (answer) => {
        outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.pipe(outgoing);
      });
      onward.on("error", () => outgoing.writeHead(502).end());
      incoming.pipe(onward);
      return;
    }
    const file = path.join(folder, path.normalize(url.pathname));
    const found = existsSync(file) && statSync(file).isFile() ? file : path.join(folder, "index.html");
    outgoing.writeHead(200, { "content-type": types[path.extname(found)] ?? "application/octet-stream" });
    createReadStream(found).pipe(outgoing);
  });
  host.on("upgrade", (incoming, socket, head) => {
    const { hostname, port, path: onwardPath, headers } = target(incoming);
    const onward = connect(port, hostname, () => {
      const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
      onward.write(`GET ${onwardPath} HTTP/1.1\r\n${lines.join("\r\n")}\r\n\r\n`);
      onward.write(head);
      onward.pipe(socket).pipe(onward);
    });
    onward.on("error", () => socket.destroy());
    socket.on("error", () => onward.destroy());
  });
  await new Promise<void>((resolve) => host.listen(port, "127.0.0.1", resolve));
  return host;
}

/** The port that the host listens on. */
export function portOf(host: Server): number {
  return (host.address() as AddressInfo).port;
}
