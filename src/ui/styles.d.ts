// Owns what the compiler knows of style sheets: the bundler takes them, as files or (`?inline`) as text.
declare module "*.css";
declare module "*.css?inline" {
  const text: string;
  export default text;
}
