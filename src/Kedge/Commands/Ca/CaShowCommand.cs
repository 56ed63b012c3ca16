using System.CommandLine;
using Kedge.Protocol.Certificates;

namespace Kedge.Commands.Ca;

/// <summary><c>kedge ca show FILE|DIRECTORY</c>: what certificates and revocation lists say.</summary>
internal sealed class CaShowCommand : Command
{
    private readonly Argument<string> _path = new("FILE|DIRECTORY")
    {
        Description = "Certificates, revocation lists or a node's request, - for standard input; or the folder of a master key with all that it has signed.",
    };

    private readonly Option<bool> _json = CertificateText.JsonOption();

    public CaShowCommand()
        : base("show", "Show what certificates say: whose they are, the network's identifier, the pin. In a folder signatures are checked, in a file they are not.")
    {
        Arguments.Add(_path);
        Options.Add(_json);
        SetAction(Run);
    }

    private int Run(ParseResult call)
    {
        string path = call.GetRequiredValue(_path);
        IReadOnlyList<CertificateDescription> descriptions = Directory.Exists(path)
            ? DescribeFolder(AuthorityFolder.Open(path))
            : CertificateDescription.ReadFile(path);
        CertificateText.Write(call.InvocationConfiguration.Output, descriptions, call.GetValue(_json));
        return 0;
    }

    private static List<CertificateDescription> DescribeFolder(AuthorityFolder folder)
    {
        List<CertificateDescription> descriptions = [CertificateDescription.Of(folder.Master)];
        if (folder.Revoked is { } list)
            descriptions.Add(CertificateDescription.Of(list));
        foreach (NodeCertificate certificate in folder.Issued)
        {
            CertificateRefusal? refusal = folder.Trust.VerifyIgnoringDates(certificate, certificate.ZoneId);
            descriptions.Add(CertificateDescription.Of(certificate) with
            {
                Revoked = refusal == CertificateRefusal.Revoked,
                Refusal = refusal is { } reason and not CertificateRefusal.Revoked ? reason.Sentence() : null,
            });
        }
        return descriptions;
    }
}
