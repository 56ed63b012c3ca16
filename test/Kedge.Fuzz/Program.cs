using Kedge.Fuzz;

return new CommandLine(Console.Out, Console.Error).Run(args);
