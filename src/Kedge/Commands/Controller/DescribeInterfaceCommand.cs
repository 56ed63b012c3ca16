using System.CommandLine;
using System.Net;
using Kedge.Control;
using Microsoft.Extensions.Logging.Abstractions;

namespace Kedge.Commands.Controller;

/// <summary><c>kedge controller describe-interface</c>: what the build writes to <c>docs/openapi.json</c>.</summary>
internal sealed class DescribeInterfaceCommand : Command
{
    private readonly Argument<string> _file = new("FILE") { Description = "The file to write." };

    public DescribeInterfaceCommand()
        : base("describe-interface", "Write the description of the REST interface, OpenAPI 3.1.")
    {
        Hidden = true;
        Arguments.Add(_file);
        SetAction(call =>
        {
            RunAsync(Path.GetFullPath(call.GetRequiredValue(_file))).GetAwaiter().GetResult();
            return 0;
        });
    }

    private static async Task RunAsync(string file)
    {
        string folder = Directory.CreateTempSubdirectory("kedge-").FullName;
        try
        {
            var settings = new ControllerSettings { DataDirectory = folder, Listen = [new(IPAddress.Loopback, 0)], Version = "" };
            await using (Control.Controller controller = await Control.Controller.StartAsync(settings, TimeProvider.System, NullLogger.Instance))
            {
                string text = await controller.DescribeInterfaceAsync();
                // Unchanged, it stays as old as it is.
                if (!File.Exists(file) || await File.ReadAllTextAsync(file) != text)
                    await File.WriteAllTextAsync(file, text);
            }
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }
}
