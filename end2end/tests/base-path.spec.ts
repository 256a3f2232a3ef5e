import { readFile } from "node:fs/promises";
import { generate, newProject, openStudio } from "../support/studio.ts";
import { createProject } from "../support/projects.ts";
import { expect, hydrated, serverForThisFile, test } from "../support/test.ts";

const base = "/studio";
const server = serverForThisFile("--base-path", base);

test("the studio works under a base path, and asks for nothing outside it", async ({ page }) => {
  const outside: string[] = [];
  const socketsOf: string[] = [];
  page.on("request", (request) => {
    const { pathname } = new URL(request.url());
    if (!request.url().startsWith("data:") && !request.url().startsWith("blob:") && !pathname.startsWith(`${base}/`)) outside.push(request.url());
  });
  page.on("websocket", (socket) => socketsOf.push(new URL(socket.url()).pathname));
  expect(new URL(server.url).pathname).toBe(base);
  await page.goto(`${server.url}/`);
  await hydrated(page);
  await createProject(page, "Storm over the bay");
  await expect(page).toHaveURL(/\/studio\/projects\/\d+$/);
  await hydrated(page);
  await openStudio(page, server.url, await newProject(page.request, server.url, "Small", 256));

  // Each preview has its own URL: the picture is refreshed during the generation.
  const shown = new Set<string>();
  page.on("request", (request) => {
    const { pathname, search } = new URL(request.url());
    if (pathname.startsWith(`${base}/media/`)) shown.add(search);
  });
  await generate(page, "a red circle", 60);
  await expect(page.getByText(/Step \d+\/60/).first()).toBeVisible();
  await expect.poll(() => [...shown].filter((search) => search.startsWith("?t=")).length, { timeout: 60_000 }).toBeGreaterThan(2);
  await expect.poll(() => [...shown].some((search) => search.startsWith("?v=")), { timeout: 60_000 }).toBe(true);

  await page.reload();
  await hydrated(page);
  const picture = page.locator("#picture");
  await expect(picture).toHaveAttribute("src", /^\/studio\/media\/\w+\.png\?v=/);
  expect(await picture.evaluate((image: HTMLImageElement) => image.naturalWidth)).toBeGreaterThan(0);

  await page.getByRole("button", { name: "Export", exact: true }).first().click();
  const panel = page.getByRole("region", { name: "Export" });
  await panel.getByRole("button", { name: "Export" }).click();
  const link = panel.getByRole("link", { name: "Download" });
  await expect(link).toHaveAttribute("href", /^\/studio\/api\/v1\/exports\//);
  const downloading = page.waitForEvent("download");
  await link.click();
  const zip = await readFile(await (await downloading).path());
  expect(zip.subarray(0, 2).toString()).toBe("PK");

  await page.getByRole("link", { name: "All projects" }).click();
  await hydrated(page);
  await expect(page).toHaveURL(/\/studio\/$/);
  await page.getByRole("button", { name: "Delete Storm over the bay" }).click();
  await page.getByRole("button", { name: "Delete project" }).click();
  await expect(page).toHaveURL(/\/studio\/\?deleted=\d+$/);
  await page.getByRole("button", { name: "Undo" }).click();
  await expect(page.getByRole("link", { name: "Storm over the bay", exact: true })).toBeVisible();
  expect(outside).toEqual([]);
  expect(new Set(socketsOf)).toEqual(new Set([`${base}/ws`]));
});

test("a form without script works under a base path", async ({ browser }) => {
  const context = await browser.newContext({ javaScriptEnabled: false });
  const page = await context.newPage();
  const project = await newProject(context.request, server.url, "Without script");
  await page.goto(`${server.url}/projects/${project}`);
  await page.getByRole("textbox", { name: "Prompt", exact: true }).fill("a blue square");
  await page.getByRole("spinbutton", { name: "Steps" }).fill("1");
  await page.getByRole("button", { name: "Generate" }).click();
  await expect(page).toHaveURL(new RegExp(`/studio/projects/${project}`));
  const tasks = await (await context.request.get(`${server.url}/api/v1/tasks?project_id=${project}`)).json();
  expect(tasks).toHaveLength(1);
  await context.close();
});
