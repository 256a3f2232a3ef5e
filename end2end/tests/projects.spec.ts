import { createProject, createReloadFind } from "../support/projects.ts";
import { expect, expectAccessible, hydrated, serverForThisFile, test } from "../support/test.ts";

const server = serverForThisFile();

test("a project is created, and found again after a reload", async ({ page }) => {
  await createReloadFind(page, server.url);
});

test("a project is renamed, deleted after a question, and restored", async ({ page }) => {
  await page.goto(server.url);
  await hydrated(page);
  await createProject(page, "Draft", "1344 × 768");
  await page.goto(server.url);
  await hydrated(page);

  await page.getByRole("button", { name: "Rename Draft" }).click();
  const dialog = page.getByRole("dialog", { name: "Rename project" });
  await dialog.getByRole("textbox", { name: "Name" }).fill("Lighthouse");
  await dialog.getByRole("button", { name: "Rename" }).click();
  await expect(page.getByRole("link", { name: "Lighthouse", exact: true })).toBeVisible();
  await expect(dialog).toBeHidden();

  await page.getByRole("button", { name: "Delete Lighthouse" }).click();
  const question = page.getByRole("dialog", { name: "Delete “Lighthouse”?" });
  await question.getByRole("button", { name: "Cancel" }).click();
  await expect(page.getByRole("link", { name: "Lighthouse", exact: true })).toBeVisible();
  await page.getByRole("button", { name: "Delete Lighthouse" }).click();
  await question.getByRole("button", { name: "Delete project" }).click();
  await expect(page.getByRole("link", { name: "Lighthouse", exact: true })).toBeHidden();

  await page.getByRole("button", { name: "Undo" }).click();
  await expect(page.getByRole("link", { name: "Lighthouse", exact: true })).toBeVisible();
  await page.reload();
  await expect(page.getByRole("link", { name: "Lighthouse", exact: true })).toBeVisible();
});

test("a deleted project is restored from the bin, also without script", async ({ page, browser, request }) => {
  const create = (name: string) => request.post(`${server.url}/api/v1/projects`, { data: { name, width: 512, height: 512, fps: 12 } });
  const context = await browser.newContext({ javaScriptEnabled: false });
  for (const shown of [page, await context.newPage()]) {
    const name = shown === page ? "Lantern" : "Beacon";
    const project = await (await create(name)).json();
    expect((await request.delete(`${server.url}/api/v1/projects/${project.id}`)).status()).toBe(204);
    await shown.goto(server.url);
    await expect(shown.getByRole("link", { name, exact: true })).toHaveCount(0);
    await shown.getByRole("link", { name: "Bin", exact: true }).click();
    await expect(shown.getByRole("heading", { name })).toBeVisible();
    if (shown === page) {
      await hydrated(page);
      await expectAccessible(page);
    }
    await shown.getByRole("button", { name: `Restore ${name}` }).click();
    await expect(shown.getByRole("link", { name, exact: true })).toBeVisible();
  }
  await context.close();
});

test("each bad field is told at the field, and nothing is stored", async ({ page, request }) => {
  await page.goto(server.url);
  await hydrated(page);
  const before = await (await request.get(`${server.url}/api/v1/projects`)).json();
  await page.getByRole("button", { name: "New project" }).click();
  const dialog = page.getByRole("dialog", { name: "New project" });
  await dialog.getByRole("radio", { name: "Custom" }).check();
  await dialog.getByRole("spinbutton", { name: "Width" }).fill("0");
  await dialog.getByRole("spinbutton", { name: "Height" }).fill("7");
  await dialog.getByRole("spinbutton", { name: "Frames per second" }).fill("0");
  await dialog.getByRole("button", { name: "Create project" }).click();

  await expect(dialog.getByRole("textbox", { name: "Name" })).toHaveAccessibleDescription(/must not be empty/);
  await expect(dialog.getByRole("spinbutton", { name: "Width" })).toHaveAccessibleDescription(/64 to 2048, not 0/);
  await expect(dialog.getByRole("spinbutton", { name: "Height" })).toHaveAccessibleDescription(/multiple of 8 .*not 7/);
  await expect(dialog.getByRole("spinbutton", { name: "Frames per second" })).toHaveAccessibleDescription(/1 to 60/);
  await expectAccessible(page);
  expect(await (await request.get(`${server.url}/api/v1/projects`)).json()).toEqual(before);
});

test("names are shown as the text that they are", async ({ page }) => {
  const names = ["<script>alert(1)</script>", "\"quoted\" & 'more'", "🔥🐉", "قصة مصورة"];
  for (const name of names) {
    await page.goto(server.url);
    await hydrated(page);
    await createProject(page, name);
  }
  await page.goto(server.url);
  for (const name of names) await expect(page.getByRole("link", { name, exact: true })).toBeVisible();
});

test("a second tab hears of changes", async ({ page, context }) => {
  await page.goto(server.url);
  await hydrated(page);
  const other = await context.newPage();
  await other.goto(server.url);
  await hydrated(other);
  await createProject(other, "Made elsewhere");
  await expect(page.getByRole("link", { name: "Made elsewhere", exact: true })).toBeVisible();
});

test("what does not exist is a page that says so", async ({ page, request, consoleMessages }) => {
  for (const path of ["/nothing", "/projects/999999", "/projects/abc"]) {
    expect((await request.get(server.url + path)).status(), path).toBe(404);
    await page.goto(server.url + path);
    await hydrated(page);
    await expect(page.getByRole("heading", { name: /not found/i })).toBeVisible();
    await expect(page).toHaveTitle("Not found · Emberline");
  }
  // The browser itself logs the status of a page.
  expect(consoleMessages.filter((message) => !message.includes("status of 404"))).toEqual([]);
  consoleMessages.length = 0;
});

test.describe("without script", () => {
  test.use({ javaScriptEnabled: false });

  test("forms post: create, a refused create, delete, undo", async ({ page, consoleMessages }) => {
    await page.goto(server.url);
    await page.getByRole("button", { name: "New project" }).click();
    await page.getByRole("textbox", { name: "Name" }).locator("visible=true").fill("By post");
    await page.getByRole("button", { name: "Create project" }).locator("visible=true").click();
    await expect(page.getByRole("heading", { level: 1, name: "By post" })).toBeVisible();

    await page.goto(server.url);
    await page.getByRole("button", { name: "New project" }).click();
    const fps = page.getByRole("spinbutton", { name: "Frames per second" }).locator("visible=true");
    await fps.fill("99");
    await page.getByRole("button", { name: "Create project" }).locator("visible=true").click();
    await expect(page.getByText(/Name must not be empty/)).toBeVisible();
    await expect(fps).toHaveValue("99");

    await page.goto(server.url);
    await page.getByRole("button", { name: "Delete By post" }).click();
    await page.getByRole("button", { name: "Delete project" }).locator("visible=true").click();
    await expect(page.getByRole("link", { name: "By post", exact: true })).toBeHidden();
    await page.getByRole("button", { name: "Undo" }).click();
    await expect(page.getByRole("link", { name: "By post", exact: true })).toBeVisible();
    // Without script the browser warns that preloaded files were not used, which is expected.
    const ours = consoleMessages.filter((message) => !message.includes("was preloaded using link preload but not used"));
    expect(ours).toEqual([]);
    consoleMessages.length = 0;
  });
});
