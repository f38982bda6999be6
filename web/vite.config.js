import {defineConfig} from 'vite';
export default defineConfig({build: {target: 'es2020', cssCodeSplit: false, assetsInlineLimit: 1 << 20, modulePreload: false}});
