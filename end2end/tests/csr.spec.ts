import { existsSync } from "node:fs";
import { createServer } from "node:http";
import path from "node:path";
import { hostCsr, portOf } from "../support/csr-host.ts";
import { createReloadFind } from "../support/projects.ts";
import { Server } from "../support/server.ts";
import { expect, expectAccessible, hydrated, test } from "../support/test.ts";

const bundle = process.env.EMBERLINE_CSR_DIR ?? path.resolve(import.meta.dirname, "../../target/csr");

/** The server needs the page's origin before the host of the page starts, so the port is chosen first. */
async function freePort(): Promise<number> {
  const probe = createServer();
  await new Promise<void>((resolve) => probe.listen(0, "127.0.0.1", resolve));
  const port = portOf(probe);
  await new Promise((resolve) => probe.close(resolve));
  return port;
}

test("the client-side-rendered page does what the server-rendered one does", async ({ page }) => {
  expect(existsSync(path.join(bundle, "index.html")), `the bundle in ${bundle} (cargo xtask bundle --csr)`).toBe(true);
  const port = await freePort();
  const home = `http://127.0.0.1:${port}`;
  const server = new Server();
  await server.start("--allow-origin", home);
  const host = await hostCsr(bundle, port, () => server.url);
  try {
    await createReloadFind(page, home);
    await hydrated(page);
    await expectAccessible(page);
  } finally {
    await page.close();
    host.closeAllConnections();
    host.close();
    expect(await server.stop()).toBe(0);
    server.clean();
  }
});
