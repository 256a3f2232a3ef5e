import { createProject } from "../support/projects.ts";
import { expect, hydrated, test } from "../support/test.ts";
import { Server } from "../support/server.ts";

test("the page tells a lost server, finds it again, and catches up", async ({ page, request, consoleMessages }) => {
  const server = new Server();
  try {
    await server.start();
    await page.goto(server.url);
    await hydrated(page);
    await createProject(page, "Before");
    await page.goto(server.url);
    await hydrated(page);

    expect(await server.stop(), "exit status").toBe(0);
    await expect(page.getByRole("button", { name: "Connection lost" })).toBeVisible();
    await server.start();
    const made = { name: "Meanwhile", width: 64, height: 64, fps: 12 };
    expect((await request.post(`${server.url}/api/v1/projects`, { data: made })).status()).toBe(201);
    await page.evaluate(() => window.dispatchEvent(new Event("online")));
    await hydrated(page);
    await expect(page.getByRole("link", { name: "Meanwhile", exact: true })).toBeVisible();
    await expect(page.getByRole("link", { name: "Before", exact: true })).toHaveCount(1);
    // The browser logs each failed attempt; any other message is an error.
    const ours = consoleMessages.filter((message) => !message.includes("ERR_CONNECTION_REFUSED"));
    expect(ours).toEqual([]);
    consoleMessages.length = 0;
    expect(server.warnings).toEqual([]);
  } finally {
    await server.stop();
    server.clean();
  }
});
