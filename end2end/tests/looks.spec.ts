import type { Page } from "@playwright/test";
import { createProject } from "../support/projects.ts";
import { ask, finishedFrames, generate, newProject, openStudio, order } from "../support/studio.ts";
import { expect, expectAccessible, hydrated, keepScreenshot, serverForThisFile, test } from "../support/test.ts";

const server = serverForThisFile();

/** Checks that the page fits the window and passes axe, and stores a screenshot. */
async function keepView(page: Page, name: string): Promise<void> {
  const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  expect(overflow, `${name}: pixels wider than the window`).toBeLessThanOrEqual(0);
  await expectAccessible(page);
  await keepScreenshot(page, name);
}

for (const colorScheme of ["dark", "light"] as const) {
  for (const width of [1440, 390]) {
    test.describe(`${colorScheme}, ${width} px`, () => {
      test.use({ colorScheme, viewport: { width, height: width > 600 ? 900 : 844 } });

      test("every view is accessible, fits the width, and is kept as a picture", async ({ page, request }) => {
        const keep = (name: string) => keepView(page, `${name}-${colorScheme}-${width}`);
        const listed = `${server.url}/api/v1/projects`;
        for (const { id } of await (await request.get(listed)).json()) await request.delete(`${listed}/${id}`);

        await page.goto(server.url);
        await hydrated(page);
        await keep("empty");
        for (const [name, size] of [["Storm over the bay", "1216 × 832"], ["Character sheet", "832 × 1216"]] as const) {
          await page.goto(server.url);
          await hydrated(page);
          await createProject(page, name, size);
        }
        await keep("project");
        await page.goto(server.url);
        await hydrated(page);
        await keep("projects");
        await page.getByRole("button", { name: "New project" }).click();
        await keep("new-project");
        await page.keyboard.press("Escape");
        await page.getByRole("button", { name: "Delete Character sheet" }).click();
        await keep("delete");
        await page.getByRole("button", { name: "Delete project" }).locator("visible=true").click();
        await expect(page.getByRole("button", { name: "Undo" })).toBeVisible();
        await keep("undo");
      });

      test("every view of the studio is accessible, fits the width, and is kept as a picture", async ({ page, request }) => {
        const keep = (name: string) => keepView(page, `studio-${name}-${colorScheme}-${width}`);
        // 1000 steps: it still runs when the last panel is opened.
        const project = await newProject(request, server.url, undefined, 192);
        await openStudio(page, server.url, project);
        await keep("empty");
        await finishedFrames(request, server.url, project, 4);
        await generate(page, "a yellow star on a blue background", 1000);
        await expect(page.getByText(/^Step [1-9]\d*\/1000$/)).toBeVisible();
        await keep("forming");
        for (const panel of ["Queue", "Export", "Settings", "Event log", ...(width > 600 ? ["Keyboard"] : [])]) {
          await page.getByRole("button", { name: new RegExp(`^${panel}`) }).first().click();
          await expect(page.getByRole("region", { name: panel })).toBeVisible();
          await keep(panel.toLowerCase().replace(" ", "-"));
          if (panel === "Event log") await page.getByRole("button", { name: "Close" }).click();
          else await page.keyboard.press("Escape");
        }
        await page.getByRole("button", { name: "Finish now" }).click();
        await expect(page.locator("#picture")).toHaveAttribute("src", /\?v=/, { timeout: 30_000 });
        await keep("finished");
        const [first] = await order(request, server.url, project);
        await ask(request, server.url, project, { prompt: "a green leaf", steps: 1, frame_id: first });
        await page.getByRole("button", { name: "Frame 1", exact: true }).click();
        await expect(page.getByRole("button", { name: /^Take \d of 2$/ })).toHaveCount(2, { timeout: 30_000 });
        await page.getByRole("button", { name: "Compare two takes" }).click();
        await keep("compared");
        await page.getByRole("button", { name: "Compare two takes" }).click();
        await page.keyboard.press("Control+a");
        await expect(page.getByText("5 selected")).toBeAttached();
        await keep("marked");
      });
    });
  }
}

test("the colours can be chosen, and stay chosen", async ({ page }) => {
  await page.goto(server.url);
  await hydrated(page);
  const background = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  await page.getByRole("button", { name: "Dark", exact: true }).click();
  const dark = await background();
  await page.getByRole("button", { name: "Light", exact: true }).click();
  await expect.poll(background).not.toBe(dark);
  const light = await background();
  await page.waitForLoadState("networkidle");
  await page.reload();
  expect(await background()).toBe(light);
});

test("less motion can be chosen, and stays chosen", async ({ page, request }) => {
  await openStudio(page, server.url, await newProject(request, server.url));
  const longest = () =>
    page.evaluate(() => {
      const seconds = (element: Element) => getComputedStyle(element).transitionDuration.split(",").map(Number.parseFloat);
      return Math.max(...[...document.querySelectorAll("*")].flatMap(seconds));
    });
  expect(await longest()).toBeGreaterThan(0);
  await page.getByRole("button", { name: "Settings" }).click();
  await page.getByLabel("Motion").selectOption("less");
  expect(await longest()).toBe(0);
  await page.reload();
  await hydrated(page);
  expect(await longest()).toBe(0);
});

test("everything on the list is reached by keyboard, with the focus visible", async ({ page, request }) => {
  const project = { name: "Reached by keyboard", width: 512, height: 512, fps: 12 };
  expect((await request.post(`${server.url}/api/v1/projects`, { data: project })).status()).toBe(201);
  await page.goto(server.url);
  await hydrated(page);
  const reached = new Set<string>();
  for (let i = 0; i < 20; i++) {
    await page.keyboard.press("Tab");
    const focused = await page.evaluate(() => {
      const element = document.activeElement;
      if (!element || element === document.body) return undefined;
      const { outlineStyle, boxShadow } = getComputedStyle(element);
      const name = element.getAttribute("aria-label") ?? element.textContent?.trim() ?? "";
      return { name, visible: outlineStyle !== "none" || boxShadow !== "none" };
    });
    if (!focused) break;
    expect(focused.visible, `the focus on “${focused.name}” is visible`).toBe(true);
    reached.add(focused.name);
  }
  for (const name of ["Emberline", "New project", project.name, `Rename ${project.name}`, `Delete ${project.name}`]) expect([...reached]).toContain(name);
});
