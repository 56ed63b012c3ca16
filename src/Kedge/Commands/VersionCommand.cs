using System.CommandLine;
using System.Reflection;
using System.Runtime.InteropServices;
using Kedge.Crypto.Kem;
using Kedge.Protocol;

namespace Kedge.Commands;

/// <summary><c>kedge version</c>.</summary>
internal sealed class VersionCommand : Command
{
    private readonly Option<bool> _verbose = new("--verbose") { Description = "Also tell what the program runs on." };

    public VersionCommand()
        : base("version", "Show the version.")
    {
        Options.Add(_verbose);
        SetAction(call =>
        {
            Assembly program = typeof(VersionCommand).Assembly;
            Console.Out.WriteLine($"kedge {program.GetCustomAttribute<AssemblyInformationalVersionAttribute>()!.InformationalVersion}");
            if (!call.GetValue(_verbose))
                return;
            Console.Out.WriteLine($"runtime  {RuntimeInformation.FrameworkDescription} ({RuntimeInformation.RuntimeIdentifier})");
            Console.Out.WriteLine($"system   {RuntimeInformation.OSDescription}");
            Console.Out.WriteLine($"program  {Environment.ProcessPath}");
            Console.Out.WriteLine($"cipher   {WgDevice.ChooseCipher()}");
            foreach (string kem in ChooseKems())
                Console.Out.WriteLine($"kem      {kem}");
        });
    }

    private static IReadOnlyList<string> ChooseKems()
    {
        try
        {
            return Kems.Implementations;
        }
        catch (PlatformNotSupportedException e)
        {
            throw new UserError(e.Message, e);
        }
    }
}
