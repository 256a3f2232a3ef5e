import { expect, type Page } from "@playwright/test";
import { hydrated } from "./test.ts";

/** Creates a project with the form on the list and ends on its page. */
export async function createProject(page: Page, name: string, size = "1024 × 1024"): Promise<void> {
  const opener = page.getByRole("button", { name: "New project" });
  // The empty list shows the form itself.
  if (await opener.isVisible()) await opener.click();
  await page.getByRole("textbox", { name: "Name" }).locator("visible=true").fill(name);
  await page.getByRole("radio", { name: size }).locator("visible=true").check();
  await page.getByRole("button", { name: "Create project" }).locator("visible=true").click();
  await expect(page.getByRole("heading", { level: 1 })).toHaveText(name);
}

/** A first visit, for the server-rendered and the client-side-rendered page. Each page is live before it is left, because the
 * browser logs a socket that is closed while it opens. */
export async function createReloadFind(page: Page, home: string): Promise<void> {
  await page.goto(home);
  await expect(page.getByRole("heading", { name: "Make your first project" })).toBeVisible();
  await hydrated(page);
  await createProject(page, "Storm over the bay");
  await hydrated(page);
  await page.reload();
  await expect(page.getByRole("heading", { name: "Storm over the bay" })).toBeVisible();
  await hydrated(page);
  await page.getByRole("link", { name: "All projects" }).click();
  await hydrated(page);
  await page.reload();
  await hydrated(page);
  await page.getByRole("link", { name: "Storm over the bay", exact: true }).click();
  await expect(page).toHaveURL(/\/projects\/\d+$/);
}
