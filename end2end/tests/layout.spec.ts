import type { Page } from "@playwright/test";
import { ask, finishedFrames, newProject, openStudio } from "../support/studio.ts";
import { expect, expectAccessible, serverForThisFile, test } from "../support/test.ts";

const server = serverForThisFile();

/** Phones, tablets and laptops, upright and sideways. */
const SIZES = [360, 390, 736, 820, 1024, 1184, 1440, 1920].flatMap((width) => {
  const other = Math.round(width * (width < 500 ? 2.1 : 0.72));
  return [[width, other], [other, width]] as const;
});

/** Upright phones scroll below the picture. */
const isPhone = (width: number, height: number) => width <= 720 && height > width;

/** The parts of a box that are outside the window, in pixels. */
async function hidden(page: Page, selector: string): Promise<number> {
  return page.locator(selector).first().evaluate((element) => {
    const box = element.getBoundingClientRect();
    return Math.max(0, -box.left, -box.top, box.right - innerWidth, box.bottom - innerHeight);
  });
}

const generate = ".maker-go";

test("at every size nothing scrolls sideways, and picture, timeline and Generate are in view", async ({ page, request }) => {
  const project = await newProject(request, server.url, "Sizes");
  await finishedFrames(request, server.url, project, 12);
  await openStudio(page, server.url, project);
  for (const [width, height] of SIZES) {
    await page.setViewportSize({ width, height });
    const at = `${width} x ${height}`;
    const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    expect(wide, `${at}: pixels wider than the window`).toBeLessThanOrEqual(0);
    for (const part of ["#picture", ".timeline", generate]) {
      expect(await hidden(page, part), `${at}: pixels of ${part} outside the window`).toBeLessThanOrEqual(1);
    }
    const picture = await page.locator("#picture").boundingBox();
    expect(Math.min(picture?.width ?? 0, picture?.height ?? 0), `${at}: the picture's shorter side`).toBeGreaterThan(120);
    if (!isPhone(width, height)) {
      const long = await page.evaluate(() => document.documentElement.scrollHeight - innerHeight);
      expect(long, `${at}: pixels longer than the window`).toBeLessThanOrEqual(0);
    }
  }
});

for (const [width, height] of [[820, 1180], [1024, 768], [844, 390]] as const) {
  test(`the studio is accessible at ${width} x ${height}, and each panel makes room when it is folded`, async ({ page, request }) => {
    await page.setViewportSize({ width, height });
    const project = await newProject(request, server.url, "Panels");
    await finishedFrames(request, server.url, project, 2);
    await openStudio(page, server.url, project);
    await expectAccessible(page);
    const size = async (selector: string) => {
      const box = await page.locator(selector).boundingBox();
      return (box?.width ?? 0) * (box?.height ?? 0);
    };
    const [viewer, inspector] = [await size(".viewer"), await size(".inspector")];
    for (const toggle of await page.locator(".pane-toggle").all()) await toggle.click();
    await expect(page.locator(".maker")).toBeHidden();
    await expect(page.locator(".inspector")).toBeHidden();
    expect(await size(".viewer")).toBeGreaterThan(viewer * 1.2);
    await page.locator(".pane-toggle").last().click();
    expect(await size(".inspector")).toBeGreaterThanOrEqual(inspector);
    expect(await hidden(page, ".timeline")).toBeLessThanOrEqual(1);
  });
}

test("on a phone the picture is seen forming from any place of the form", async ({ page, request }) => {
  await page.setViewportSize({ width: 390, height: 844 });
  const project = await newProject(request, server.url, "Phone");
  await finishedFrames(request, server.url, project, 1);
  await openStudio(page, server.url, project);
  await page.getByRole("textbox", { name: "Prompt", exact: true }).fill("a red car on a yellow background");
  await page.locator('input[name="draft[seed]"]').scrollIntoViewIfNeeded();
  await page.locator('input[name="draft[steps]"]').fill("400");
  expect(await page.evaluate(() => scrollY), "the form is scrolled").toBeGreaterThan(200);
  await page.locator(generate).click();
  await expect(page.getByText(/^Step [1-9]\d*\/400$/)).toBeVisible();
  for (const part of ["#picture", ".viewer-step", generate]) {
    expect(await hidden(page, part), `pixels of ${part} outside the window`).toBeLessThanOrEqual(1);
  }
  // A field that gets the focus is neither behind the picture nor behind the button.
  await page.evaluate(() => scrollTo(0, document.documentElement.scrollHeight));
  const negative = page.getByRole("textbox", { name: "Negative prompt" });
  await negative.focus();
  const [viewer, field] = [await page.locator(".viewer").boundingBox(), await negative.boundingBox()];
  expect(field?.y ?? 0).toBeGreaterThanOrEqual((viewer?.y ?? 0) + (viewer?.height ?? 0));
  // The end of the page is not behind the button.
  await page.evaluate(() => scrollTo(0, document.documentElement.scrollHeight));
  const note = await page.locator(".inspector-note").boundingBox();
  const button = await page.locator(generate).boundingBox();
  expect((note?.y ?? 0) + (note?.height ?? 0)).toBeLessThanOrEqual(button?.y ?? 0);
});

test("a message covers neither the picture nor the timeline", async ({ page, request }) => {
  const project = await newProject(request, server.url, "Messages");
  await openStudio(page, server.url, project);
  await ask(request, server.url, project, { prompt: "a blue square", steps: 1000 });
  await page.getByRole("button", { name: "Cancel" }).locator("visible=true").click();
  // It slides into its place.
  for (const part of [".viewer", ".timeline"]) {
    await expect(async () => {
      const [message, box] = [await page.locator(".message").first().boundingBox(), await page.locator(part).boundingBox()];
      expect(message && box, "both are there").toBeTruthy();
      const overlap = Math.min(message!.y + message!.height, box!.y + box!.height) - Math.max(message!.y, box!.y);
      expect(overlap, `pixels of ${part} behind the message`).toBeLessThanOrEqual(1);
    }).toPass({ timeout: 3000 });
  }
});

/** The controls in view that are smaller than 24 x 24 pixels, with their labels. */
async function small(page: Page): Promise<string[]> {
  return page.evaluate(() => {
    const controls = [...document.querySelectorAll<HTMLElement>("button, a[href], input, select, textarea, [tabindex='0']")];
    // A pane's edge is dragged; the same is done by its keys and by folding the pane.
    const seen = controls.filter((control) => control.checkVisibility({ checkVisibilityCSS: true }) && !control.matches(".visually-hidden, .pane-edge"));
    const targets = seen.map((control) => control.closest("label") ?? control);
    const bad = targets.filter((target) => {
      const box = target.getBoundingClientRect();
      return box.width > 0 && (box.width < 24 || box.height < 23.5);
    });
    return bad.map((target) => target.outerHTML.slice(0, 120));
  });
}

for (const width of [1440, 390]) {
  test(`every control of the studio can be hit by a finger at ${width} px`, async ({ page, request }) => {
    await page.setViewportSize({ width, height: width > 600 ? 900 : 844 });
    const project = await newProject(request, server.url, "Targets");
    await finishedFrames(request, server.url, project, 2);
    await openStudio(page, server.url, project);
    expect(await small(page)).toEqual([]);
    await ask(request, server.url, project, { prompt: "a blue square", steps: 1000 });
    await expect(page.getByText(/^Step [1-9]\d*\/1000$/)).toBeVisible();
    expect(await small(page), "while a picture forms").toEqual([]);
    for (const panel of ["Queue", "Export", "Settings", "Event log"]) {
      const button = page.getByRole("button", { name: new RegExp(`^${panel}`) }).first();
      await button.click();
      await expect(page.getByRole("region", { name: panel })).toBeVisible();
      expect(await small(page), panel).toEqual([]);
      // The log stays open beside work, until its button is pressed again.
      await (panel === "Event log" ? button.click() : page.keyboard.press("Escape"));
      await expect(page.getByRole("region", { name: panel })).toBeHidden();
    }
    await page.getByRole("button", { name: "Cancel" }).locator("visible=true").first().click();
  });
}
